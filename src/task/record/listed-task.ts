/**
 * A task as lists give it, among a thousand others: a record whose long texts are cut and tell their whole length. What
 * is left out stands in the record of the one task. Every broker cuts to these lengths, so that lists agree; it need
 * not read more than the bytes named here.
 */
import * as v from "valibot";
import {
  type AttemptError,
  AttemptErrorSchema,
  type ErrorRecord,
  type TaskRecord,
  TaskRecordSchema,
} from "./record.ts";

/** How much of a message is listed, its beginning, in UTF-16 code units. */
export const LISTED_MESSAGE_LENGTH = 1_000;
/** How much of a reason, in UTF-16 code units. */
export const LISTED_REASON_LENGTH = 4_000;
/** How much of the progress messages, their end, in UTF-16 code units: whatever an executor keeps. */
export const LISTED_PROGRESS_LENGTH = 3_000;
/** So many bytes of UTF-8 hold one UTF-16 code unit at the most: what a broker that counts bytes has to read. */
export const BYTES_PER_UNIT = 3;
/** The longest result that is listed, in bytes of its JSON; a longer one is null. */
export const LISTED_RESULT_BYTES = 1_000;
/** The longest error that is listed as it is, in bytes of its JSON; of a longer one name and message are. */
export const LISTED_ERROR_BYTES = 32_768;

export const ListedTaskSchema = v.object({
  ...TaskRecordSchema.entries,
  /** The whole length of the message, in bytes of UTF-8. */
  message_bytes: v.number(),
  /** The whole length of the result, in bytes of its JSON; 0: there is none. */
  result_bytes: v.number(),
});

export type ListedTask = v.InferOutput<typeof ListedTaskSchema>;

/** The beginning of a text, without half a character at the end. */
export function beginningOf(text: string, length: number): string {
  if (text.length <= length) return text;
  const cut = text.slice(0, length);
  return cut.isWellFormed() ? cut : cut.slice(0, -1).toWellFormed();
}

/** The end of a text, without half a character before it. */
export function endOf(text: string, length: number): string {
  if (text.length <= length) return text;
  const cut = text.slice(-length);
  return cut.isWellFormed() ? cut : cut.slice(1).toWellFormed();
}

/** What is listed of a task that was read whole. */
export function listedOf(record: TaskRecord): ListedTask {
  const resultBytes = record.result === null ? 0 : Buffer.byteLength(JSON.stringify(record.result));
  const error = record.error === null ? null : JSON.stringify(record.error);
  return {
    ...record,
    message: beginningOf(record.message, LISTED_MESSAGE_LENGTH),
    reason: record.reason === null ? null : beginningOf(record.reason, LISTED_REASON_LENGTH),
    progress_msg: endOf(record.progress_msg, LISTED_PROGRESS_LENGTH),
    result: resultBytes > LISTED_RESULT_BYTES ? null : record.result,
    error: error === null || Buffer.byteLength(error) <= LISTED_ERROR_BYTES ? record.error : errorFromStart(error),
    message_bytes: Buffer.byteLength(record.message),
    result_bytes: resultBytes,
  };
}

/** How many bytes the texts of a listed task have. */
export function bytesOf(task: ListedTask): number {
  const { message, progress_msg, reason, result, error, errors } = task;
  let bytes = Buffer.byteLength(message) + Buffer.byteLength(progress_msg);
  if (reason !== null) bytes += Buffer.byteLength(reason);
  for (const value of [result, error]) if (value !== null) bytes += Buffer.byteLength(JSON.stringify(value) ?? "");
  return errors.length === 0 ? bytes : bytes + Buffer.byteLength(JSON.stringify(errors));
}

const Head = /^\{(?:"attempt":(\d+),"at":(\d+),"executor":"((?:[^"\\]|\\.)*)",)?"name":"((?:[^"\\]|\\.)*)","message":"/;

/**
 * What is listed of an error of which only the beginning was read: its name, and what is there of its message. Null
 * where the text is not one that this program wrote.
 *
 * @param start - the first bytes of its JSON, as text; `LISTED_ERROR_BYTES` of them are enough.
 */
export function errorFromStart(start: string): ErrorRecord | null {
  const head = Head.exec(start);
  if (head === null) return null;
  const name = unescaped(head[4] ?? "");
  const text = /^(?:[^"\\]|\\(?:u[0-9a-f]{4}|[^u]))*/i.exec(start.slice(head[0].length))?.[0] ?? "";
  return { name, message: beginningOf(unescaped(text), LISTED_MESSAGE_LENGTH) };
}

/** The same for the error of an attempt. */
export function attemptErrorFromStart(start: string): AttemptError | null {
  const error = errorFromStart(start);
  const [, attempt, at, executor] = Head.exec(start) ?? [];
  if (error === null || attempt === undefined || at === undefined || executor === undefined) return null;
  const made = { attempt: Number(attempt), at: Number(at), executor: unescaped(executor), ...error };
  return v.is(AttemptErrorSchema, made) ? made : null;
}

/** What stands between the quotes of a text in JSON. */
function unescaped(text: string): string {
  try {
    return v.parse(v.string(), JSON.parse(`"${text}"`));
  } catch {
    return text;
  }
}
