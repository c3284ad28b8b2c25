/** Messages of the runner protocol: what one side writes the other one reads, and what is none costs little. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { HandlerOptions } from "../../src/handlers/handler.ts";
import { decode, type MessageOf, type Side } from "../../src/runner-protocol/decode.ts";
import { encodeFromRunner, encodeRun, encodeToRunner, MessageTooLongError } from "../../src/runner-protocol/encode.ts";
import { Faults, TooManyFaultsError } from "../../src/runner-protocol/faults.ts";
import { MAX_LINE_FROM_RUNNER, MAX_LINE_TO_RUNNER, MOST_FAULTS } from "../../src/runner-protocol/limits.ts";
import { optionsOfType, typeOfOptions } from "../../src/runner-protocol/manifest-of-type.ts";
import { MessageReader } from "../../src/runner-protocol/message-reader.ts";
import type { FromRunner, ToRunner } from "../../src/runner-protocol/messages.ts";

const number = fc.integer({ min: 1, max: 1_000_000 });
const run = { run: number };
const ask = { ask: number };
const text = fc.string({ unit: "grapheme", maxLength: 30 });
const name = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 });
const ms = fc.nat(1_000_000);
const json = fc.jsonValue({ maxDepth: 3 });
const fields = fc.dictionary(name, json, { maxKeys: 4 });

function kind<K extends string, T extends object>(kind: K, rest: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) {
  return fc.record({ kind: fc.constant(kind), ...rest });
}

const answer = fc.oneof(
  kind("answer", { ...ask, value: json }),
  kind("answer", { ...ask, error: fc.record({ code: text, message: text }) }),
);

const fromRunner = fc.oneof(
  kind("begun", { runs: fc.array(number) }),
  kind("progress", { ...run, value: fc.double({ min: -1, max: 1, noNaN: true }), message: text }),
  kind("log", { ...run, level: fc.constantFrom("debug", "info", "warn", "error"), text, fields }),
  kind("done", { ...run, result: json }),
  kind("done", { ...run, omitted: text }),
  kind("failed", {
    ...run,
    error: fc.record({ name: text, message: text, errors: fc.array(fc.record({ name: text, message: text })) }),
    retry: fc.boolean(),
    retry_in_ms: ms,
    later: fc.boolean(),
  }),
  kind("stopped", { ...run, begun: fc.boolean() }),
  kind("stopped", { ...run, begun: fc.boolean(), retry_in_ms: ms }),
  kind("enqueue", { ...ask, ...run, tasks: fc.array(json) }),
  kind("lock", { ...ask, ...run, name: text, ttl_ms: ms, wait_ms: ms }),
  kind("unlock", { ...ask, ...run, name: text }),
  kind("hold", { ...ask, step: fc.constantFrom("take", "renew", "free"), name: text, owner: name, ttl_ms: ms }),
  answer,
) as fc.Arbitrary<FromRunner>;

const toRunner = fc.oneof(
  kind("cancel", {
    ...run,
    reason: fc.constantFrom("cancelled", "timeout", "deadline", "lost", "drain"),
    grace_ms: ms,
  }),
  kind("lock_lost", { ...run, name: text }),
  kind("ping", ask),
  kind("tree", ask),
  kind("check", { ...ask, type: name, payload: json }),
  kind("snapshot", { ...ask, path: text }),
  kind("stop", {}),
  answer,
) as fc.Arbitrary<Exclude<ToRunner, { kind: "run" }>>;

const lengths = fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 60 });

/** What a reader of that side finds in these bytes, and what it finds wrong. */
function reading<S extends Side>(side: S, bytes: Uint8Array, cuts: readonly number[] = []) {
  const told: string[] = [];
  const reader = new MessageReader(side, new Faults((what) => told.push(what)));
  const messages: MessageOf<S>[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    messages.push(...reader.read(bytes.subarray(from, from + cut)));
    from = Math.min(from + cut, bytes.length);
  }
  reader.end();
  return { messages, told };
}

test("whatever a runner says arrives as it was said, however its bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(fromRunner, { maxLength: 20 }), lengths, (messages, cuts) => {
      const bytes = Buffer.from(messages.map(encodeFromRunner).join(""));
      // Through JSON, since -0 is 0 there.
      assert.deepEqual(reading("fromRunner", bytes, cuts), {
        messages: JSON.parse(JSON.stringify(messages)),
        told: [],
      });
    }),
  );
});

test("whatever an executor says arrives as it was said", () => {
  fc.assert(
    fc.property(fc.array(toRunner, { maxLength: 20 }), lengths, (messages, cuts) => {
      const bytes = Buffer.from(messages.map(encodeToRunner).join(""));
      assert.deepEqual(reading("toRunner", bytes, cuts), { messages: JSON.parse(JSON.stringify(messages)), told: [] });
    }),
  );
});

test("a payload is forwarded as the text that it came in, and a foreign message once", () => {
  fc.assert(
    fc.property(json, fc.constantFrom(undefined, 2, "\t"), fc.boolean(), (value, indent, isForeign) => {
      const task = { id: "one", type: "x", queue: "common", priority: 0, queued_at: null };
      const given = isForeign ? { value } : value;
      const written = JSON.stringify(given, null, indent);
      const line = encodeRun({
        task,
        ...{ run: 7, attempt: 1, crashes: 0, asks_for_delay: false },
        text: isForeign ? { message: written } : { payload: written },
      });
      assert.ok(line.includes(written.replaceAll("\n", " ")));
      const [message, ...others] = reading("toRunner", Buffer.from(line)).messages;
      assert.ok(message?.kind === "run" && others.length === 0);
      const expected = JSON.parse(written);
      assert.deepEqual(isForeign ? message.task.message : message.payload, expected);
      assert.equal(isForeign ? message.payload : message.task.message, undefined);
    }),
  );
});

test("a number that JavaScript cannot hold is forwarded with all its digits", () => {
  const task = { id: "one", type: "x", queue: "common", priority: 0, queued_at: 5 };
  const about = { run: 1, attempt: 1, crashes: 0, asks_for_delay: true };
  const line = encodeRun({ task, ...about, text: { payload: "12345678901234567890.10" } });
  assert.ok(line.includes('"payload":12345678901234567890.10}'), line);
});

test("kinds and keys that are not known are let pass, so that either side may be newer", () => {
  const lines = ['{"kind":"weather","run":"x"}', '{"kind":"ping","ask":1,"since":{"version":2}}', '{"kind":"done"}'];
  const { messages, told } = reading("toRunner", Buffer.from(`${lines.join("\n")}\n`));
  assert.deepEqual(messages, [{ kind: "ping", ask: 1 }]);
  assert.deepEqual(told, []);
});

test("what is no message is told with its path, and those around it arrive", () => {
  const lines = [
    "[]",
    "null",
    "{",
    "{}",
    '{"kind":"begun","runs":[1,"2"]}',
    '{"kind":"failed","run":1,"error":{"name":"x"},"retry":true}',
    '{"kind":"hello","protocol":2,"language":"x","pid":1,"types":[]}',
    '{"kind":"begun","runs":[3]}',
  ];
  const { messages, told } = reading("fromRunner", Buffer.from(`${lines.join("\n")}\n`));
  assert.deepEqual(messages, [{ kind: "begun", runs: [3] }]);
  assert.equal(told.length, 7);
  assert.match(told[4] ?? "", /^begun: runs\.1: /);
  assert.match(told[5] ?? "", /^failed: error\.message: /);
  assert.equal(told[6], "hello: protocol: must be 1");
});

test("the tenth fault ends the connection, not the ninth", () => {
  const bad = (count: number) => Buffer.from("nonsense\n".repeat(count));
  assert.equal(reading("fromRunner", bad(MOST_FAULTS - 1)).told.length, 9);
  assert.throws(() => reading("fromRunner", bad(MOST_FAULTS)), TooManyFaultsError);
});

test("no bytes lead to anything but messages, nothing and faults", () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fromRunner.map((each) => Buffer.from(encodeFromRunner(each))),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), lengths, (pieces, cuts) => {
      try {
        reading("fromRunner", Buffer.concat(pieces), cuts);
      } catch (error) {
        assert.ok(error instanceof TooManyFaultsError);
      }
    }),
  );
});

test("errors in errors without end are a fault, and no stack runs over", () => {
  const levels = 50_000;
  const deep = `${'{"name":"x","message":"","errors":['.repeat(levels)}${"]}".repeat(levels)}`;
  const decoded = decode("fromRunner", `{"kind":"failed","run":1,"retry":true,"error":${deep}}`);
  assert.ok("fault" in decoded || "message" in decoded);
});

test("a message that does not fit into its line is refused where it is written", () => {
  const long = "é".repeat(MAX_LINE_FROM_RUNNER / 2);
  assert.throws(() => encodeFromRunner({ kind: "done", run: 1, result: long }), MessageTooLongError);
  const fits = encodeFromRunner({ kind: "done", run: 1, result: long.slice(40) });
  assert.ok(Buffer.byteLength(fits) <= MAX_LINE_FROM_RUNNER);
  const task = { id: "one", type: "x", queue: "common", priority: 0, queued_at: null };
  const about = { run: 1, attempt: 1, crashes: 0, asks_for_delay: false };
  const payload = `"${"x".repeat(MAX_LINE_TO_RUNNER)}"`;
  assert.throws(() => encodeRun({ task, ...about, text: { payload } }), MessageTooLongError);
});

test("what a hello says of a type is what the executor knows of its handler", () => {
  const options: HandlerOptions = {
    ...{ attempts: 4, crashBudget: 1, timeoutMs: 5, retentionMs: 0, queue: "slow", priority: 1, delayMs: 7 },
    deadlineMs: 9,
    backoff: { kind: "fixed", delay_ms: 1 },
    unique: { key: "k", forMs: "until-done" },
    isolation: "own",
  };
  const hello: FromRunner = {
    ...{ kind: "hello", protocol: 1, language: "x", pid: 5 },
    types: [typeOfOptions("x", options)],
  };
  const [message] = reading("fromRunner", Buffer.from(encodeFromRunner(hello))).messages;
  assert.ok(message?.kind === "hello");
  const [told] = message.types;
  assert.ok(told !== undefined);
  assert.equal(told.type, "x");
  assert.deepEqual(optionsOfType(told), options);
});
