/** What is checked by hand is what the schema makes of it; all else is left to the schema. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { decode } from "../../src/runner-protocol/decode.ts";
import { encodeRun } from "../../src/runner-protocol/encode.ts";
import { ToRunnerSchema } from "../../src/runner-protocol/messages.ts";
import { plainRun } from "../../src/runner-protocol/plain-run.ts";

const TASK = {
  id: "01a22d1c344276019668bde616afae3c",
  type: "mail.send",
  queue: "common",
  priority: 0,
  queued_at: null,
};
const RUN = { kind: "run", run: 7, attempt: 1, crashes: 0, asks_for_delay: true, task: TASK, payload: { n: 1 } };

test("a run as our executors write it needs no schema, and is what the schema makes of it", () => {
  const line = encodeRun({
    ...{ run: 7, attempt: 2, crashes: 1, asks_for_delay: false },
    task: { ...TASK, queued_at: 1_790_000_000_000 },
    text: { payload: "[1,2]" },
  });
  const read: unknown = JSON.parse(line);
  assert.deepEqual(plainRun(read as typeof RUN), v.parse(ToRunnerSchema, read));
});

test("keys that are not known are dropped, also there", () => {
  const told = { ...RUN, new: 1, task: { ...TASK, newer: 2 } };
  assert.deepEqual(decode("toRunner", JSON.stringify(told)), { message: v.parse(ToRunnerSchema, told) });
});

const UNUSUAL: readonly Readonly<Record<string, unknown>>[] = [
  { ...RUN, deadline_in_ms: 5 },
  { ...RUN, trace: "00-1-2-01" },
  { ...RUN, asks_for_delay: undefined },
  { ...RUN, payload: undefined },
  { ...RUN, task: { ...TASK, message: { id: "a" } }, payload: undefined },
  { ...RUN, task: { ...TASK, type: "Ünüsual type" } },
  { ...RUN, task: { ...TASK, id: "x".repeat(65) } },
];

test("what is unusual is what the schema makes of it", () => {
  for (const told of UNUSUAL) {
    const read: unknown = JSON.parse(JSON.stringify(told));
    assert.equal(plainRun(read as typeof RUN), null);
    assert.deepEqual(decode("toRunner", JSON.stringify(told)), { message: v.parse(ToRunnerSchema, read) });
  }
});

const WRONG: readonly Readonly<Record<string, unknown>>[] = [
  { ...RUN, run: 0 },
  { ...RUN, run: 1.5 },
  { ...RUN, attempt: "1" },
  { ...RUN, crashes: -1 },
  { ...RUN, asks_for_delay: 1 },
  { ...RUN, task: null },
  { ...RUN, task: [] },
  { ...RUN, task: { ...TASK, id: "" } },
  { ...RUN, task: { ...TASK, type: 5 } },
  { ...RUN, task: { ...TASK, priority: 0.5 } },
  { ...RUN, task: { ...TASK, queued_at: "now" } },
];

test("what is wrong is a fault, with its place", () => {
  for (const told of WRONG) {
    const decoded = decode("toRunner", JSON.stringify(told));
    assert.ok("fault" in decoded && decoded.fault.startsWith("run: "), JSON.stringify(decoded));
  }
});
