/** What a command writes is progress, log and result, each within its bounds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandOutput } from "../../../src/handlers/exec/command-output.ts";
import { MAX_OUTPUT_LINE } from "../../../src/handlers/exec/output-lines.ts";

interface Told {
  readonly log: string[];
  readonly progress: [number, string][];
  now: number;
}

function output(): {
  readonly told: Told;
  readonly of: CommandOutput;
  out(text: string): void;
  err(text: string): void;
} {
  const told: Told = { log: [], progress: [], now: 0 };
  const of = new CommandOutput(
    {
      tellProgress: (value, message) => void told.progress.push([value, message]),
      writeLog: ({ level, plain }) => void told.log.push(`${level} ${plain}`),
    },
    () => told.now,
  );
  const bytes = (text: string) => new TextEncoder().encode(text);
  return { told, of, out: (text) => of.out(bytes(text)), err: (text) => of.err(bytes(text)) };
}

test("lines of progress are progress, and all others are the log", () => {
  const { told, of, out, err } = output();
  out("progress 0.25 the first\nhello\nprogress 1\n");
  out("progress 2 too much\nprogress x\nprogress .5 a ");
  out("half line\r\nlast, without its end");
  err("careful\n");
  assert.deepEqual(of.end(), { json: null, omitted: null });
  // Of a chunk the last counts.
  assert.deepEqual(told.progress, [
    [1, ""],
    [0.5, "a half line"],
  ]);
  assert.deepEqual(told.log, [
    "info hello",
    "info progress 2 too much",
    "info progress x",
    "warn careful",
    "info last, without its end",
  ]);
});

test("the last line of standard output that is JSON is the result, as it was written; earlier ones are logged", () => {
  const { told, of, out, err } = output();
  out('{"first":1}\n{not json}\n{"n": 12345678901234567890.50}\n[not json\nbye\n');
  err('{"of":"errors"}\n');
  assert.deepEqual(of.end(), { json: '{"n": 12345678901234567890.50}', omitted: null });
  assert.deepEqual(told.log.sort(), [
    "info [not json",
    "info bye",
    'info {"first":1}',
    "info {not json}",
    'warn {"of":"errors"}',
  ]);
});

test("any JSON is a result, and what cannot be kept is told", () => {
  for (const json of ["42", "-1", '"text"', "true", "null", "[]"]) {
    const { of, out } = output();
    out(`log\n${json}\n`);
    assert.deepEqual(of.end(), { json, omitted: null });
  }
  const omitted: readonly (readonly [line: string, why: RegExp])[] = [
    ["1e400", /a number that is larger/],
    [`${"[".repeat(2_000)}${"]".repeat(2_000)}`, /nested deeper/],
    [`"${"x".repeat(MAX_OUTPUT_LINE)}"`, /its line is longer than 1048576 characters/],
  ];
  for (const [line, why] of omitted) {
    const { of, out } = output();
    out('{"smaller":1}\n');
    out(line);
    out("\n");
    const { json, omitted: said } = of.end();
    assert.equal(json, null);
    assert.match(said ?? "", why);
  }
});

test("of a line that is written over what stands at last counts", () => {
  const { told, of, out } = output();
  out("10%\r20%\r");
  out("30%\n\r\n\n");
  of.end();
  assert.deepEqual(told.log, ["info 30%"]);
});

test("1 000 lines a second are logged, and the others counted", () => {
  const { told, of, out } = output();
  out("line\n".repeat(5_000));
  assert.equal(told.log.length, 1_000);
  told.now = 1_000;
  out("line\n");
  assert.deepEqual(told.log.slice(1_000), [
    "warn 4000 more lines of its output were left out: too many in a second",
    "info line",
  ]);
  out("line\n".repeat(2_000));
  of.end();
  assert.equal(told.log.at(-1), "warn 1001 more lines of its output were left out: too many in a second");
});

test("a megabyte a second is logged, however few the lines", () => {
  const { told, of, out } = output();
  for (let i = 0; i < 100; i++) out(`${"x".repeat(100_000)}\n`);
  of.end();
  assert.ok(told.log.join("").length < 1_100_000);
  assert.match(told.log.at(-1) ?? "", /^warn \d\d more lines/);
});

test("a line without an end takes a megabyte and no more, and a character may be cut by a chunk", () => {
  const { told, of } = output();
  const before = process.memoryUsage().heapUsed;
  const part = new TextEncoder().encode("x".repeat(1_000_000));
  for (let i = 0; i < 500; i++) of.out(part);
  assert.ok(process.memoryUsage().heapUsed - before < 200_000_000);
  const bytes = new TextEncoder().encode("\nü\n");
  for (const byte of bytes) of.out(Uint8Array.of(byte));
  of.end();
  assert.equal(told.log.length, 2);
  assert.equal(told.log[1], "info ü");
});

test("in a flood, too, the last progress is told and the last JSON is the result", () => {
  const { told, of, out } = output();
  out("line\n".repeat(1_001));
  for (let i = 0; i < 100; i++) out(`y\ny\nprogress 0.${10 + (i % 90)} so far\n{"n":${i}}\n12 monkeys\n`.repeat(10));
  assert.deepEqual(told.progress.at(-1), [0.19, "so far"]);
  assert.deepEqual(of.end(), { json: '{"n":99}', omitted: null });
  assert.equal(told.log.length, 1_001);
});

test("a flood of short lines is read at 100 MB a second or so", () => {
  const { of, out, told } = output();
  out("y\n".repeat(2_000));
  const bytes = new TextEncoder().encode("y\n".repeat(32 * 1024));
  const begun = performance.now();
  for (let i = 0; i < 1_600; i++) of.out(bytes);
  const ms = performance.now() - begun;
  of.end();
  assert.match(told.log.at(-1) ?? "", /^warn 52429800 more lines/);
  // Bounded where many tests run side by side; alone it takes 300 ms.
  assert.ok(ms < 5_000, `${ms} ms`);
});

test("the end of its errors is kept, and no more", () => {
  const { of, err } = output();
  for (let i = 0; i < 1_000; i++) err(`line ${i} ${"x".repeat(100)}\n`);
  err("the true reason\n");
  of.end();
  assert.match(of.errorEnd, /the true reason$/);
  assert.ok(of.errorEnd.length <= 2_000);
});
