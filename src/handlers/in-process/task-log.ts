/**
 * The log that a handler writes to: whatever is logged makes a line, and no line ever fails its attempt, since handler
 * files run without a type check. Where the lines go is the attempt's business.
 */
import { isError, isObject, ownProperties, shown, withoutCode } from "../../concurrency/unknown-values.ts";
import { cutText, MAX_SHOWN_LINE } from "../../runtime/cut-text.ts";
import type { TaskLog, TaskLogLevel } from "../define-task.ts";
import { errorText, finishedLine } from "../finished-line.ts";
import type { CodeAttempt } from "../handler.ts";

/** So many properties of one line are looked at. */
const MOST_PROPERTIES = 100;

type Properties = Readonly<Record<string, unknown>>;

/** The log of one attempt. */
export function taskLog(attempt: CodeAttempt): TaskLog {
  const write = (level: TaskLogLevel, given: unknown, more: unknown): void => {
    const text = cutText(textOf(given), MAX_SHOWN_LINE);
    const properties = propertiesOf(more);
    attempt.writeLog({
      level,
      // A text is a template of the log's; in what was made of anything else a brace is a brace.
      text: typeof given === "string" ? text : text.replace(/[{}]/g, "$&$&"),
      properties,
      // Most lines are kept nowhere but in the executor's log.
      get plain() {
        return properties === null ? text : finishedLine(text, properties);
      },
    });
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
  if (isError(given)) return errorText(given);
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
