/**
 * The protocol between real processes: programs that know nothing of this project read descriptor 3 and write
 * descriptor 4. Their standard output stays their own, and the end of file on 3 ends them.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { test } from "node:test";
import { encodeRun } from "../../src/runner-protocol/encode.ts";
import { Faults } from "../../src/runner-protocol/faults.ts";
import { READ_DESCRIPTOR, WRITE_DESCRIPTOR } from "../../src/runner-protocol/limits.ts";
import { MessageReader } from "../../src/runner-protocol/message-reader.ts";
import type { FromRunner } from "../../src/runner-protocol/messages.ts";
import { RunLedger } from "../../src/runner-protocol/run-ledger.ts";
import { ROOT } from "../stage/command.ts";

/** As a newcomer would write it, from the document alone. */
const IN_JAVASCRIPT = `
const fs = require("node:fs");
const say = (message) => fs.writeSync(${WRITE_DESCRIPTOR}, JSON.stringify(message) + "\\n");
say({ kind: "hello", protocol: 1, language: "javascript", pid: process.pid, types: [{ type: "double" }] });
let rest = "";
const input = fs.createReadStream("", { fd: ${READ_DESCRIPTOR}, encoding: "utf8" });
input.on("data", (text) => {
  const lines = (rest + text).split("\\n");
  rest = lines.pop();
  for (const line of lines) {
    const { kind, run, payload } = JSON.parse(line);
    if (kind !== "run") continue;
    say({ kind: "begun", runs: [run] });
    say({ kind: "done", run, result: payload.n * 2 });
  }
});
input.on("end", () => process.exit(0));
`;

/** The worker of the document itself. */
const IN_PYTHON = /```python\n(.+?)```/s.exec(readFileSync(join(ROOT, "docs/runner-protocol.md"), "utf8"))?.[1] ?? "";
const HAS_PYTHON = spawnSync("python3", ["--version"]).status === 0;

const RUNS = 2_000;

test("a JavaScript program of another make says hello, runs what it is given, and leaves at the end of file", {
  timeout: 60_000,
}, async () => {
  const { hello, results, output } = await conversation(join(ROOT, "node_modules/.bin/node"), [
    "-e",
    `console.log("standard output is mine");${IN_JAVASCRIPT}`,
  ]);
  assert.deepEqual([hello?.language, hello?.types], ["javascript", [{ type: "double" }]]);
  assert.equal(output, "standard output is mine\n");
  assert.deepEqual(results, expected());
});

test("so does the Python worker of the document", { timeout: 60_000, skip: !HAS_PYTHON }, async () => {
  const { hello, results } = await conversation("python3", ["-c", IN_PYTHON]);
  assert.deepEqual([hello?.language, hello?.types], ["python", [{ type: "double" }]]);
  assert.deepEqual(results, expected());
});

function expected(): unknown[] {
  return Array.from({ length: RUNS }, (_, index) => index * 2);
}

/** Starts the program, gives it all runs at once, and ends its input when it has ended them. */
async function conversation(command: string, args: readonly string[]) {
  const pipes = ["ignore", "pipe", "inherit", "pipe", "pipe"] as const;
  const child = spawn(command, args, { stdio: [...pipes] });
  const [toChild, fromChild] = [child.stdio[READ_DESCRIPTOR] as Writable, child.stdio[WRITE_DESCRIPTOR] as Readable];
  const reader = new MessageReader("fromRunner", new Faults((what) => assert.fail(what)));
  const ledger = new RunLedger();
  const results: unknown[] = [];
  let hello: Extract<FromRunner, { kind: "hello" }> | null = null;
  let output = "";
  child.stdout?.on("data", (bytes: Buffer) => {
    output += bytes;
  });
  const exited = once(child, "exit");

  const task = { id: "one", type: "double", queue: "common", priority: 0, queued_at: null };
  for (let n = 0; n < RUNS; n++) {
    const about = { run: ledger.open(), attempt: 1, crashes: 0, asks_for_delay: false };
    toChild.write(encodeRun({ task, ...about, text: { payload: JSON.stringify({ n, pad: "é".repeat(n % 700) }) } }));
  }
  for await (const bytes of fromChild) {
    for (const message of reader.read(bytes)) {
      if (message.kind === "hello") hello = message;
      else if (message.kind === "begun") for (const run of message.runs) assert.equal(ledger.begin(run), null);
      else if (message.kind === "done") {
        assert.equal(ledger.end(message.run, "done"), null);
        results[message.run - 1] = message.result;
      }
    }
    if (ledger.size === 0) toChild.end();
  }
  reader.end();
  assert.deepEqual(await exited, [0, null]);
  return { hello, results, output };
}
