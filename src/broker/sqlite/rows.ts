/**
 * From rows of SQLite to our shapes: the one place where a column's type is checked.
 */
import * as v from "valibot";
import type { SqlValue } from "../../runtime/index.ts";
import { type AttemptError, AttemptErrorSchema, type TaskRecord, TaskRecordSchema } from "../../task/record.ts";
import { stateName } from "./schema.ts";

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
  return v.parse(TaskRecordSchema, {
    ...row,
    state: stateName(numberOf(row, "state")),
    executor: row.owner,
    started_at: row.attempt === 0 ? null : row.started_at,
    result: jsonOf(row, "result"),
    error: jsonOf(row, "error"),
    errors: errorsOf(row),
  });
}
