/** `taskexe task ID`: everything the broker keeps about a task. */
import type { ErrorRecord, TaskRecord } from "../task/record.ts";
import { withBroker } from "./client.ts";
import { CommandFailure } from "./exit.ts";
import { type Options, settingsOf } from "./flags.ts";
import { printFields, printJson } from "./output.ts";

/** Runs the command. Returns the exit code: 1 when no record is kept under that id. */
export async function task(id: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const record = await broker.record(id);
    if (record === null) throw new CommandFailure(`no record of a task ${JSON.stringify(id)} on ${broker.url}`);
    if (options.json) printJson(record);
    else printFields(fieldsOf(record));
    return 0;
  });
}

function fieldsOf(record: TaskRecord): [string, string][] {
  const fields: [string, string | null][] = [
    ["id", record.id],
    ["type", record.type],
    ["state", record.state],
    ["queue", `${record.queue}, priority ${record.priority}`],
    ["attempt", String(record.attempt)],
    ["crashes", record.crashes > 0 ? String(record.crashes) : null],
    ["executor", record.executor],
    ["enqueued", time(record.enqueued_at)],
    ["due", time(record.due_at)],
    ["started", time(record.started_at)],
    ["finished", time(record.finished_at)],
    ["progress", record.progress === 0 ? null : String(record.progress)],
    ["log", record.progress_msg || null],
    ["result", record.result === null || record.result === undefined ? null : JSON.stringify(record.result, null, 2)],
    ["reason", record.reason],
    ["error", record.error === null ? null : errorText(record.error)],
    ["message", record.message.length > 2_000 ? `${record.message.slice(0, 2_000)}...` : record.message],
  ];
  return fields.filter((field): field is [string, string] => field[1] !== null);
}

function time(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

function errorText(error: ErrorRecord, indent = ""): string {
  const parts = (error.parts ?? []).map((part) => `\n${errorText(part, `${indent}  `)}`).join("");
  return `${indent}${error.name}: ${error.message}${parts}`;
}
