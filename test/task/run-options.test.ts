/**
 * One table has the options that say how a task is run: each row is taken by every door, travels in the message, and is
 * shown. A new row is tried by these without a line here, but for a value that it may have.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import * as v from "valibot";
import { optionOf, withRunFlags } from "../../src/cli/arguments/flags.ts";
import { enqueueOptionsOf } from "../../src/cli/arguments/task-arguments.ts";
import { taskFields } from "../../src/cli/output/show-task.ts";
import { defineTask } from "../../src/handlers/define-task.ts";
import { ScheduleView } from "../../src/operations/views/schedule-view.ts";
import { parseMessage } from "../../src/task/message/message.ts";
import { prepareTask } from "../../src/task/message/new-task.ts";
import { optionsOfJson, TaskJsonSchema } from "../../src/task/message/task-json.ts";
import { EnqueueOptionsSchema } from "../../src/task/options/enqueue-options.ts";
import { RUN_OPTION_ROWS, type RunOption } from "../../src/task/options/run-options.ts";
import { ScheduleOptionsSchema } from "../../src/task/options/schedule-options.ts";
import type { TaskRecord } from "../../src/task/record/record.ts";

/** A value of each kind, as a program gives it and as it is typed. */
const SAMPLES: Readonly<Record<RunOption["kind"], readonly [value: unknown, typed: string]>> = {
  number: [2, "2"],
  duration: [90_000, "90s"],
  type: ["other", "other"],
  backoff: [{ kind: "exponential", delay_ms: 1_000, max_ms: 60_000 }, "exponential:1s:1m"],
};

for (const [key, row] of RUN_OPTION_ROWS) {
  const [value, typed] = SAMPLES[row.kind];

  test(`${key} is taken from a program, a line of JSON, a flag, a schedule and a definition`, () => {
    assert.ok(v.is(EnqueueOptionsSchema, { [key]: value }));
    assert.ok(v.is(ScheduleOptionsSchema, { [key]: value }));
    const line = v.parse(TaskJsonSchema, { type: "t", [row.json]: value });
    assert.deepEqual(optionsOfJson(line)[key], value);
    assert.deepEqual(enqueueOptionsOf({ [optionOf(row.flag)]: typed })[key], value);
    assert.match(withRunFlags(new Command()).helpInformation(), new RegExp(`${row.flag} ${row.takes}`));
    assert.ok(row.json in ScheduleView.entries);
    const definition = { type: "t", run: () => null, [key]: value };
    assert.deepEqual(defineTask(definition), definition);
    assert.throws(() => defineTask({ ...definition, [key]: {} }), new RegExp(`"${key}`));
  });

  test(`${key} travels in the message, and is shown with the task`, () => {
    const { message } = prepareTask("t", null, { [key]: value }, { now: 0, retentionMs: 0 });
    const parsed = parseMessage(message);
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.message.options, { [row.json]: value });
    const times = { enqueued_at: null, started_at: null, finished_at: null, due_at: null };
    const record: TaskRecord = {
      ...{ id: "a", type: "t", queue: "common", priority: 0, state: "queued", attempt: 1, crashes: 0, completions: 0 },
      ...{
        progress: 0,
        progress_msg: "",
        result: null,
        result_omitted: null,
        ended_by: null,
        times: null,
        reason: null,
        error: null,
        errors: [],
      },
      ...{ executor: null, message, ...times },
    };
    const shown = taskFields(record, []).filter(([name]) => name !== "message");
    const text = row.kind === "number" ? /\b2$/ : new RegExp(`^${typed}$`);
    assert.ok(
      shown.some(([, field]) => text.test(field)),
      JSON.stringify(shown),
    );
  });
}
