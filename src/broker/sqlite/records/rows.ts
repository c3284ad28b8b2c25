/**
 * From rows of SQLite to our shapes: the one place where a column's type is checked.
 */

import * as v from "valibot";
import type { SqlValue } from "../../../runtime/index.ts";
import { MAX_ATTEMPT_ERRORS } from "../../../task/record/attempt-errors.ts";
import { lastTimes } from "../../../task/record/attempt-times.ts";
import { endedByOf } from "../../../task/record/ended-by.ts";
import {
  beginningOf,
  endOf,
  errorFromStart,
  LISTED_ERROR_BYTES,
  LISTED_MESSAGE_LENGTH,
  LISTED_PROGRESS_LENGTH,
  LISTED_REASON_LENGTH,
  LISTED_RESULT_BYTES,
  type ListedTask,
} from "../../../task/record/listed-task.ts";
import {
  type AttemptError,
  AttemptErrorSchema,
  type TaskRecord,
  TaskRecordSchema,
} from "../../../task/record/record.ts";
import { stateName } from "../file/schema.ts";

export type Row = Record<string, SqlValue>;

/** @throws TypeError where the column holds no number: the file was changed by somebody else. */
export function numberOf(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === "number") return value;
  throw new TypeError(`the database holds ${typeof value} in ${column}, a number was expected`);
}

/** @throws TypeError where the column holds no text. */
export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw new TypeError(`the database holds ${typeof value} in ${column}, a text was expected`);
}

/** What a column of JSON text holds; null for NULL. */
function jsonOf(row: Row, column: string): unknown {
  const value = row[column];
  return typeof value === "string" ? JSON.parse(value) : null;
}

/** What is kept of the errors of a task's attempts; a file from before they were kept has none. */
export function errorsOf(row: Row): readonly AttemptError[] {
  return v.parse(v.nullable(v.array(AttemptErrorSchema)), jsonOf(row, "errors")) ?? [];
}

/** @throws valibot's error where the row is not one that this program wrote. */
export function recordOf(row: Row): TaskRecord {
  const state = stateName(numberOf(row, "state"));
  const errors = errorsOf(row);
  const reason = typeof row.reason === "string" ? row.reason : null;
  return v.parse(TaskRecordSchema, {
    ...row,
    state,
    ended_by: endedByOf({ state, reason, errors }),
    times: lastTimes({
      ...{ state, errors, packed: typeof row.times === "string" ? row.times : null },
      startedAt: typeof row.started_at === "number" ? row.started_at : null,
      finishedAt: typeof row.finished_at === "number" ? row.finished_at : null,
    }),
    executor: row.owner,
    started_at: row.attempt === 0 ? null : row.started_at,
    result: jsonOf(row, "result"),
    error: jsonOf(row, "error"),
    errors,
  });
}

const SHORT_COLUMNS = `seq, id, type, queue, priority, state, attempt, crashes, completions, progress, owner,
  enqueued_at, started_at, finished_at, due_at, times`;

/** The columns of a task of which only the id is wanted. */
export const BRIEF_COLUMNS = `${SHORT_COLUMNS}, '' AS progress_msg, NULL AS reason, NULL AS result_omitted,
  NULL AS result, 0 AS result_bytes, NULL AS error, NULL AS errors, '' AS message, 0 AS message_bytes`;

/**
 * The columns of a task in a list. SQLite knows how long a text is without reading it, and cuts one while it reads it:
 * only what is listed reaches this process. It counts characters, of which one may be two UTF-16 code units.
 */
export const LISTED_COLUMNS = `${SHORT_COLUMNS},
  substr(progress_msg, -${LISTED_PROGRESS_LENGTH}) AS progress_msg,
  substr(reason, 1, ${LISTED_REASON_LENGTH}) AS reason,
  substr(result_omitted, 1, ${LISTED_REASON_LENGTH}) AS result_omitted,
  CASE WHEN octet_length(result) <= ${LISTED_RESULT_BYTES} THEN result END AS result,
  coalesce(octet_length(result), 0) AS result_bytes,
  CASE WHEN octet_length(error) <= ${LISTED_ERROR_BYTES} THEN error END AS error,
  CASE WHEN octet_length(error) > ${LISTED_ERROR_BYTES} THEN substr(error, 1, ${LISTED_ERROR_BYTES}) END AS error_start,
  CASE WHEN octet_length(errors) <= ${MAX_ATTEMPT_ERRORS * LISTED_ERROR_BYTES} THEN errors END AS errors,
  substr(message, 1, ${LISTED_MESSAGE_LENGTH}) AS message,
  octet_length(message) AS message_bytes`;

/** How many bytes of a row have to be read for a list; SQLite tells without reading them. */
export const BYTES_READ = `octet_length(message) + coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0)
  + coalesce(octet_length(errors), 0) + octet_length(progress_msg)`;

/** @throws valibot's error where the row is not one that this program wrote. */
export function listedOf(row: Row): ListedTask {
  const record = recordOf(row);
  const { error_start: start } = row;
  return {
    ...record,
    message: beginningOf(record.message, LISTED_MESSAGE_LENGTH),
    reason: record.reason === null ? null : beginningOf(record.reason, LISTED_REASON_LENGTH),
    progress_msg: endOf(record.progress_msg, LISTED_PROGRESS_LENGTH),
    error: typeof start === "string" ? errorFromStart(start) : record.error,
    message_bytes: numberOf(row, "message_bytes"),
    result_bytes: numberOf(row, "result_bytes"),
  };
}

/** How many bytes the texts of a row have as they were read. */
export function bytesOf(row: Row): number {
  let bytes = 0;
  for (const value of Object.values(row)) if (typeof value === "string") bytes += Buffer.byteLength(value);
  return bytes;
}
