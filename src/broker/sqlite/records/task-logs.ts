/**
 * The logs of tasks: the last lines of each, numbered. They belong to the row of the task and go with it, so whoever
 * deletes a task tells `dropLogs`. Lines for a task that is not there are dropped.
 */
import { type LogLine, MAX_LOG_LINE_LENGTH, MAX_LOG_LINES } from "../../administration.ts";
import type { Store } from "../file/store.ts";
import type { Transaction } from "../file/transaction.ts";
import { numberOf, textOf } from "./rows.ts";

const SEQ_OF = "SELECT tasks.seq FROM ids JOIN tasks ON tasks.seq = ids.seq WHERE ids.id = ?";
const LAST_LINE = "SELECT line FROM logs WHERE task = ? ORDER BY line DESC LIMIT 1";
const APPEND = "INSERT INTO logs(task, line, at, level, text) VALUES(?, ?, ?, ?, ?)";
const TRIM = "DELETE FROM logs WHERE task = ? AND line <= ?";
const LINES = `SELECT at, level, text FROM logs
  WHERE task = (SELECT seq FROM ids WHERE id = ?) ORDER BY line`;
const ANY = "SELECT 1 FROM logs LIMIT 1";
const DROP = "DELETE FROM logs WHERE task IN (SELECT value FROM json_each(?))";

const LEVELS: readonly LogLine["level"][] = ["debug", "info", "warn", "error"];

/** The lines of one task in a call of `appendLogs`. */
export interface TaskLines {
  readonly id: string;
  readonly lines: readonly LogLine[];
}

export function appendLogs(store: Store, logs: readonly TaskLines[]): Promise<void> {
  const rows = logs.reduce((sum, { lines }) => sum + Math.min(lines.length, MAX_LOG_LINES), 0);
  return store.write(rows, (tx) => {
    for (const one of logs) appendOne(tx, one);
  });
}

function appendOne(tx: Transaction, { id, lines }: TaskLines): void {
  const task = tx.sql(SEQ_OF).get(id);
  if (task === undefined) return;
  const seq = numberOf(task, "seq");
  const last = tx.sql(LAST_LINE).get(seq);
  let line = last === undefined ? 0 : numberOf(last, "line");
  for (const { at, level, text } of lines.slice(-MAX_LOG_LINES)) {
    line += 1;
    tx.sql(APPEND).run(seq, line, Math.round(at), level, text.slice(0, MAX_LOG_LINE_LENGTH));
  }
  if (line > MAX_LOG_LINES) tx.sql(TRIM).run(seq, line - MAX_LOG_LINES);
}

export function readLogs(store: Store, id: string): Promise<LogLine[]> {
  return store.read((sql) =>
    sql(LINES)
      .all(id)
      .map((row) => ({
        at: numberOf(row, "at"),
        level: LEVELS.find((level) => level === row.level) ?? "info",
        text: textOf(row, "text"),
      })),
  );
}

/** Whether any task at all has a log; without one, nobody needs to drop any. */
export function anyLog(tx: Transaction): boolean {
  return tx.sql(ANY).get() !== undefined;
}

/** The rows of these tasks are gone. */
export function dropLogs(tx: Transaction, seqs: readonly number[]): void {
  if (seqs.length > 0) tx.sql(DROP).run(JSON.stringify(seqs));
}
