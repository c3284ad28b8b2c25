/** What `taskexe task ID` shows to a person. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogLine } from "../../../src/broker/contract/admin.ts";
import { taskFields } from "../../../src/cli/output/show-task.ts";
import { formatMessage } from "../../../src/task/message/message.ts";
import type { TaskOptions } from "../../../src/task/message/message-schema.ts";
import type { TaskRecord } from "../../../src/task/record/record.ts";

const AT = Date.parse("2026-01-31T12:00:00Z");

function recordOf(options: TaskOptions, more: Partial<TaskRecord> = {}): TaskRecord {
  return {
    ...{ id: "one", type: "work", queue: "common", priority: 0, state: "running", attempt: 2, crashes: 0 },
    ...{
      completions: 0,
      progress: 0,
      progress_msg: "",
      result: null,
      reason: null,
      result_omitted: null,
      ended_by: null,
      times: null,
      error: null,
      errors: [],
      executor: null,
    },
    ...{ enqueued_at: AT, started_at: null, finished_at: null, due_at: null },
    message: formatMessage({ id: "one", type: "work", payload: 1, options }),
    ...more,
  };
}

function shown(record: TaskRecord, logs: readonly LogLine[] = []): Record<string, string> {
  return Object.fromEntries(taskFields(record, logs));
}

const line = (text: string): LogLine => ({ at: AT, level: "warn", text });

test("what the message says of how the task is run is shown, each in words of the command line", () => {
  const fields = shown(
    recordOf({
      ...{ attempts: 5, crash_budget: 1, timeout_ms: 90_000, deadline_at: AT, retention_ms: 0, unique_key: "mine" },
      backoff: { kind: "exponential", delay_ms: 1_000, max_ms: 600_000 },
    }),
  );
  assert.equal(fields.attempt, "2 of 5");
  assert.equal(fields.backoff, "exponential:1s:10m");
  assert.equal(fields["crash budget"], "1");
  assert.equal(fields.timeout, "90s");
  assert.equal(fields.deadline, "2026-01-31T12:00:00.000Z");
  assert.equal(fields.retention, "0s");
  assert.equal(fields["unique key"], "mine");
});

test("a suspect is shown with how many may run beside it, and an error with how its attempt was stopped", () => {
  assert.equal(
    shown(recordOf({ company: 4, deaths: 2 })).suspect,
    "at most 4 run beside it: processes died over it, 2 by now",
  );
  assert.match(shown(recordOf({ company: 0, deaths: 5 })).suspect ?? "", /^it runs alone: /);
  const error = { name: "TimeoutError", message: "late", ended_by: { how: "killed", after_ms: 2_003 } } as const;
  assert.equal(shown(recordOf({}, { state: "dead", error })).error, "TimeoutError: late (killed after 2003 ms)");
});

test("what nobody has said or done is left out", () => {
  assert.deepEqual(Object.keys(shown(recordOf({}))), [
    "id",
    "type",
    "state",
    "queue",
    "attempt",
    "enqueued",
    "message",
  ]);
  assert.equal(shown(recordOf({})).attempt, "2");
});

test("a message that cannot be read, and a time that is none, are shown all the same", () => {
  assert.equal(shown(recordOf({}, { message: "{oops" })).message, "{oops");
  assert.equal(shown(recordOf({}, { enqueued_at: 1e20 })).enqueued, "100000000000000000000 (Unix ms)");
});

test("of the log the last 20 lines are shown, and how many there are before them", () => {
  const logs = Array.from({ length: 21 }, (_, index) => line(`line ${index}`));
  const lines = (shown(recordOf({}), logs).log ?? "").split("\n");
  assert.equal(lines[0], "(1 line before these: --json shows it)");
  assert.equal(lines[1], "2026-01-31T12:00:00.000Z warn  line 1");
  assert.equal(lines.length, 21);
  assert.equal(shown(recordOf({}), [line("a\nb")]).log, "2026-01-31T12:00:00.000Z warn  a\n  b");
});

test("an error is shown with its frames, and its parts and their frames further in", () => {
  const error = {
    name: "TypeError",
    message: "no luck\ntoday",
    stack: "TypeError: no luck\ntoday\n    at run (task.ts:1:2)\n    at next (task.ts:3:4)",
    parts: [
      { name: "Error", message: "deep", stack: "Error: deep\n    at deep (deep.ts:1:1)" },
      { name: "Note", message: "without a stack" },
    ],
  };
  assert.deepEqual((shown(recordOf({}, { state: "dead", error })).error ?? "").split("\n"), [
    "TypeError: no luck",
    "today",
    "  at run (task.ts:1:2)",
    "  at next (task.ts:3:4)",
    "  Error: deep",
    "    at deep (deep.ts:1:1)",
    "  Note: without a stack",
  ]);
});
