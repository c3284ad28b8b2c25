/**
 * The log of one attempt: every line goes to the executor's log, with the task's id and type, and to the task's own.
 * Handler files run without a type check: whatever is logged makes a line, and no line ever fails its attempt.
 */
import { getLogger } from "@logtape/logtape";
import type { LogLine } from "../../broker/administration.ts";
import {
  isError,
  isObject,
  jsonOf,
  messageOf,
  ownProperties,
  readText,
  shown,
  withoutCode,
} from "../../concurrency/unknown-values.ts";
import type { TaskLog } from "../../handlers/define-task.ts";
import { cutText, MAX_SHOWN_LINE } from "../../runtime/cut-text.ts";
import type { TaskMessage } from "../../task/message-schema.ts";
import type { TaskLogs } from "../reports/task-logs.ts";
import type { RunningTask } from "./running.ts";

const taskLogger = getLogger(["taskexe", "task"]);

/** So many properties of one line are looked at. */
const MOST_PROPERTIES = 100;

type Properties = Readonly<Record<string, unknown>>;

/**
 * `logs` is null for a task that keeps no record: its lines go to the executor's log only. So do those that a handler
 * which was left behind, or something that it started, writes once the attempt has ended.
 */
export function attemptLog(running: RunningTask, message: TaskMessage, logs: TaskLogs | null): TaskLog {
  const logger = taskLogger.with({ id: message.id, type: message.type });
  const write = (level: LogLine["level"], given: unknown, more: unknown): void => {
    const text = cutText(textOf(given), MAX_SHOWN_LINE);
    const properties = propertiesOf(more);
    // A text is a template of the log's; in what was made of anything else a brace is a brace.
    logger[level](typeof given === "string" ? text : text.replace(/[{}]/g, "$&$&"), properties ?? {});
    if (logs === null || running.hasEnded) return;
    running.hasLogged = true;
    logs.add(message.id, level, properties === null ? text : `${text} ${asText(properties)}`);
  };
  return {
    debug: (text, properties) => write("debug", text, properties),
    info: (text, properties) => write("info", text, properties),
    warn: (text, properties) => write("warn", text, properties),
    error: (text, properties) => write("error", text, properties),
  };
}

/** An Error is what many log. */
function textOf(given: unknown): string {
  if (typeof given === "string") return given.toWellFormed();
  if (isError(given)) return readText(given, "stack") || messageOf(given);
  return shown(given);
}

/** What stands beside the text, as it is now; null for nothing. An error in the place of properties is one of them. */
function propertiesOf(more: unknown): Properties | null {
  if (more === undefined || more === null) return null;
  if (isError(more)) return { error: withoutCode(more) };
  if (!isObject(more)) return { value: more };
  // The log asks each of them whether it is one of its own, where nobody catches what a proxy may throw.
  const properties = Object.entries(ownProperties(more, MOST_PROPERTIES));
  return Object.fromEntries(properties.map(([key, value]) => [key, withoutCode(value)]));
}

/** As JSON; errors, which JSON shows as nothing, and what is no JSON as text. */
function asText(properties: Properties): string {
  const parts = Object.entries(properties).map(([key, value]) => {
    const written = jsonOf(isError(value) ? textOf(value) : value);
    if (written.ok && written.json === undefined) return null;
    return `${JSON.stringify(key)}:${written.ok ? written.json : JSON.stringify(shown(value))}`;
  });
  return `{${parts.filter((part) => part !== null).join(",")}}`;
}
