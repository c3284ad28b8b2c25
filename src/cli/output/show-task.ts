/**
 * What is shown of a task to a person: its record, what its message says of how it is run, the end of its log, and an
 * error with its stack. What nobody has said or done yet is left out.
 */
import * as v from "valibot";
import type { LogLine } from "../../broker/contract/admin.ts";
import { parseMessage } from "../../task/message/message.ts";
import type { TaskOptions } from "../../task/message/message-schema.ts";
import { type Backoff, BackoffSchema, RUN_OPTION_ROWS, type RunOption } from "../../task/options/run-options.ts";
import { MAX_ATTEMPT_ERRORS } from "../../task/record/attempt-errors.ts";
import type { AttemptTimes } from "../../task/record/attempt-times.ts";
import { showEndedBy } from "../../task/record/ended-by.ts";
import type { ErrorRecord, TaskRecord } from "../../task/record/record.ts";
import { formatDuration } from "../../task/times/durations.ts";

/** How many lines of the log are shown, the last ones. */
const SHOWN_LOG_LINES = 20;
/** How much of the message is shown, in UTF-16 code units. */
const SHOWN_MESSAGE_LENGTH = 2_000;

/** Names and values, to be printed below each other. */
export function taskFields(record: TaskRecord, logs: readonly LogLine[]): [name: string, value: string][] {
  const parsed = parseMessage(record.message);
  const options = parsed.ok ? parsed.message.options : {};
  const fields: [string, string | null][] = [
    ["id", record.id],
    ["type", record.type],
    ["state", record.state],
    ["parent", options.parent ?? null],
    ["follows", options.follows ?? null],
    ["queue", `${record.queue}, priority ${record.priority}`],
    ["attempt", options.attempts === undefined ? String(record.attempt) : `${record.attempt} of ${options.attempts}`],
    ["crashes", record.crashes > 0 ? String(record.crashes) : null],
    ["suspect", options.company === undefined ? null : suspectText(options)],
    ...policyFields(options),
    ["executor", record.executor],
    ["enqueued", time(record.enqueued_at)],
    ["due", time(record.due_at)],
    ["started", time(record.started_at)],
    ["finished", time(record.finished_at)],
    ["time went to", record.times === null ? null : timesText(record.times)],
    ["progress", record.progress === 0 ? null : String(record.progress)],
    ["messages", record.progress_msg || null],
    ["log", logs.length === 0 ? null : logText(logs)],
    ["result", record.result === null || record.result === undefined ? null : JSON.stringify(record.result, null, 2)],
    ["result left out", record.result_omitted],
    ["reason", record.reason],
    ["ended by", record.ended_by === null ? null : showEndedBy(record.ended_by)],
    ["error", record.error === null ? null : errorText(record.error)],
    ["earlier errors", earlierErrors(record)],
    ["message", shortened(record.message)],
  ];
  return fields.filter((field): field is [string, string] => field[1] !== null);
}

/** Of a task over which processes died. */
function suspectText({ company = 0, deaths = 0 }: TaskOptions): string {
  const beside = company === 0 ? "it runs alone" : `at most ${company} run beside it`;
  return `${beside}: processes died over it, ${deaths} by now`;
}

/**
 * What the message says; where it says nothing, the handler and the executor's settings do, which are not known here.
 */
function policyFields(options: TaskOptions): [string, string | null][] {
  const shown = RUN_OPTION_ROWS.filter(([key]) => key !== "attempts").map(([, row]): [string, string | null] => [
    row.flag.slice(2).replaceAll("-", " "),
    optionText(row, options[row.json]),
  ]);
  return [...shown, ["deadline", time(options.deadline_at ?? null)], ["unique key", options.unique_key ?? null]];
}

/** As its flag takes it. */
function optionText({ kind }: RunOption, said: unknown): string | null {
  if (said === undefined) return null;
  switch (kind) {
    case "number":
    case "type":
      return String(said);
    case "duration":
      return formatDuration(v.parse(v.number(), said));
    case "backoff":
      return backoffText(v.parse(BackoffSchema, said));
  }
}

function backoffText({ kind, delay_ms, max_ms }: Backoff): string {
  const delays = max_ms === undefined ? [delay_ms] : [delay_ms, max_ms];
  return [kind, ...delays.map(formatDuration)].join(":");
}

/** `waited 12 ms, claimed 1 ms, ran 300 ms, recorded 2 ms`. */
function timesText({ waited_ms, claimed_ms, ran_ms, recorded_ms }: AttemptTimes): string {
  const parts = { waited: waited_ms, claimed: claimed_ms, ran: ran_ms, recorded: recorded_ms };
  const known = Object.entries(parts).filter(([, ms]) => ms !== null);
  return known.map(([name, ms]) => `${name} ${ms} ms`).join(", ");
}

function time(at: number | null): string | null {
  if (at === null) return null;
  const date = new Date(at);
  // Other producers may write any number of ms.
  return Number.isFinite(date.getTime()) ? date.toISOString() : `${at} (Unix ms)`;
}

function logText(logs: readonly LogLine[]): string {
  const shown = logs.slice(-SHOWN_LOG_LINES).map(({ at, level, text }) => {
    return `${time(at)} ${level.padEnd(5)} ${text.replaceAll("\n", "\n  ")}`;
  });
  const left = logs.length - shown.length;
  const before =
    left === 1 ? "(1 line before these: --json shows it)" : `(${left} lines before these: --json shows them)`;
  return (left === 0 ? shown : [before, ...shown]).join("\n");
}

/** Those of the attempts before the last error: each with its attempt, time and executor above it. */
function earlierErrors({ error, errors }: TaskRecord): string | null {
  const earlier = error === null ? errors : errors.slice(0, -1);
  const texts = earlier.map((one) => {
    const spent = one.times === undefined ? "" : ` (${timesText(one.times)})`;
    return `attempt ${one.attempt}, ${time(one.at)}, ${one.executor}${spent}: ${errorText(one)}`;
  });
  if (errors.length === MAX_ATTEMPT_ERRORS)
    texts.splice(1, 0, `(of the others the last ${MAX_ATTEMPT_ERRORS - 1} are kept)`);
  return texts.length === 0 ? null : texts.join("\n");
}

/** The error, then below it, each level further in, its frames and its parts. */
function errorText({ name, message, stack, parts = [], ended_by: endedBy }: ErrorRecord): string {
  const below = [...framesOf(stack), ...parts.map(errorText)];
  const stopped = endedBy === undefined ? "" : ` (${showEndedBy(endedBy)})`;
  return [`${name}: ${message}${stopped}`, ...below.map((text) => text.replaceAll(/^/gm, "  "))].join("\n");
}

/** A stack opens with the name and the message, which are told already. */
function framesOf(stack: string | undefined): string[] {
  const lines = stack?.split("\n").map((line) => line.trim()) ?? [];
  const first = lines.findIndex((line) => line.startsWith("at "));
  return first === -1 ? [] : lines.slice(first);
}

function shortened(message: string): string {
  return message.length > SHOWN_MESSAGE_LENGTH ? `${message.slice(0, SHOWN_MESSAGE_LENGTH)}...` : message;
}
