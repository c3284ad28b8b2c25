/**
 * What a file says becomes a task, by the rules of members of keys: a JSON object with a `task_type` is a message, any
 * other JSON a payload. What is neither is queued as it is, and ends as dead with its text.
 */
import type { EnqueueRequest } from "../../../broker/broker.ts";
import type { SourceTasks } from "../../../broker/contract/sources.ts";
import { cutText } from "../../../runtime/cut-text.ts";
import { parseMessage } from "../../../task/message/message.ts";
import { InvalidTaskError, prepareTask } from "../../../task/message/new-task.ts";
import { JsonText, oneLine } from "../../../task/text/json-text.ts";

/** How much of a bad text its dead task shows, in characters. */
const LONGEST_BAD = 65_536;

export interface FileTask {
  readonly request: EnqueueRequest;
  /** It can be none, and ends as dead. */
  readonly isBad: boolean;
}

/** @param id - of the task, where the text names none. */
export function taskOfFile(text: string, id: string, source: SourceTasks): FileTask {
  const { type, queue, priority, retentionMs } = source;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return badTask(text, id, source);
  }
  if (typeof value !== "object" || value === null || !("task_type" in value) || typeof value.task_type !== "string") {
    try {
      const prepared = prepareTask(
        type,
        JsonText.parsed(text, value),
        { id, queue, priority },
        { now: 0, retentionMs },
      );
      const { message } = prepared;
      return { request: { id, type, queue, priority, retentionMs, message }, isBad: false };
    } catch (error) {
      if (!(error instanceof InvalidTaskError)) throw error;
      return badTask(text, id, source);
    }
  }
  const line = oneLine(text);
  const message = "id" in value ? line : line.replace("{", () => `{"id":${JSON.stringify(id)},`);
  const parsed = parseMessage(message);
  if (!parsed.ok) return badTask(text, id, source);
  const { message: task } = parsed;
  const kept = task.options.retention_ms ?? retentionMs;
  return {
    request: { id: task.id, type: task.type, queue, priority, retentionMs: kept, message },
    isBad: false,
  };
}

/** No record is made of it: whoever claims it writes that it is dead, and why. */
export function badTask(text: string, id: string, { type, queue, priority }: SourceTasks): FileTask {
  const message = cutText(text, LONGEST_BAD);
  return { request: { id, type, queue, priority, retentionMs: 0, message }, isBad: true };
}
