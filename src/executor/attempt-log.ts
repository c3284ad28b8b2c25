/** The log of one attempt: every line goes to the executor's log, with the task's id and type, and to the task's own. */
import { getLogger } from "@logtape/logtape";
import type { LogLine } from "../broker/administration.ts";
import type { TaskLog } from "../handlers/define-task.ts";
import type { TaskMessage } from "../task/message-schema.ts";
import type { TaskLogs } from "./task-logs.ts";

const taskLogger = getLogger(["taskexe", "task"]);

/** `logs` is null for a task that keeps no record: its lines go to the executor's log only. */
export function attemptLog(message: TaskMessage, logs: TaskLogs | null): TaskLog {
  const logger = taskLogger.with({ id: message.id, type: message.type });
  const note = (level: LogLine["level"], given: unknown, properties?: Readonly<Record<string, unknown>>): void => {
    // Handler files run without a type check: an Error is what many log.
    const text = given instanceof Error ? (given.stack ?? String(given)) : String(given);
    logs?.add(message.id, level, properties === undefined ? text : `${text} ${asJson(properties)}`);
  };
  return {
    debug: (text, properties) => {
      logger.debug(text, properties ?? {});
      note("debug", text, properties);
    },
    info: (text, properties) => {
      logger.info(text, properties ?? {});
      note("info", text, properties);
    },
    warn: (text, properties) => {
      logger.warn(text, properties ?? {});
      note("warn", text, properties);
    },
    error: (text, properties) => {
      logger.error(text, properties ?? {});
      note("error", text, properties);
    },
  };
}

function asJson(properties: Readonly<Record<string, unknown>>): string {
  try {
    return JSON.stringify(properties) ?? "";
  } catch {
    return "(properties that cannot be written as JSON)";
  }
}
