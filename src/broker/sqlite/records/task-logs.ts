/**
 * The logs of tasks: the last lines of each, numbered. They belong to the row of the task and go with it, so whoever
 * deletes a task tells `dropLogs`. Lines for a task that is not there are dropped. How many bytes the logs of a queue
 * have is kept in the same transaction; beyond the bound the logs of its oldest tasks go.
 */
import {
  type LogLine,
  type LogTail,
  MAX_LOG_LINE_LENGTH,
  MAX_LOG_LINES,
  type TaskLines,
} from "../../contract/admin.ts";
import { LOG_LINE_BYTES } from "../file/schema.ts";
import type { Store } from "../file/store.ts";
import type { Transaction } from "../file/transaction.ts";
import { numberOf, textOf } from "./rows.ts";

const SEQ_OF = "SELECT tasks.seq FROM ids JOIN tasks ON tasks.seq = ids.seq WHERE ids.id = ?";
const LAST_LINE = "SELECT line FROM logs WHERE task = ? ORDER BY line DESC LIMIT 1";
const APPEND = "INSERT INTO logs(task, line, at, level, text) VALUES(?, ?, ?, ?, ?)";
const TRIM = `DELETE FROM logs WHERE task = ? AND line <= ? RETURNING octet_length(text) + ${LOG_LINE_BYTES} AS bytes`;
const LINES = `SELECT at, level, text, line FROM logs
  WHERE task = (SELECT seq FROM ids WHERE id = ?) AND line > ? ORDER BY line`;
const LAST = "SELECT max(line) AS line FROM logs WHERE task = (SELECT seq FROM ids WHERE id = ?)";
const GROW = `INSERT INTO log_sizes(task, queue, bytes) VALUES(?, ?, ?)
  ON CONFLICT(task) DO UPDATE SET bytes = bytes + excluded.bytes RETURNING queue`;
const GROW_TOTAL = `INSERT INTO log_totals(queue, bytes) VALUES(?, ?)
  ON CONFLICT(queue) DO UPDATE SET bytes = bytes + excluded.bytes RETURNING bytes`;
const OLDEST = "SELECT task, bytes FROM log_sizes WHERE queue = ? ORDER BY task LIMIT 100";
const FORGET = "DELETE FROM log_sizes WHERE task IN (SELECT value FROM json_each(?)) RETURNING queue, bytes";
const FORGET_TOTAL = "DELETE FROM log_totals WHERE queue = ? AND bytes <= 0";
const ANY = "SELECT 1 FROM logs LIMIT 1";
const DROP = "DELETE FROM logs WHERE task IN (SELECT value FROM json_each(?))";

const LEVELS: readonly LogLine["level"][] = ["debug", "info", "warn", "error"];

/** @param most - how many bytes of logs a queue keeps; 0: any number. */
export function appendLogs(store: Store, logs: readonly TaskLines[], most: number): Promise<void> {
  const rows = logs.reduce((sum, { lines }) => sum + Math.min(lines.length, MAX_LOG_LINES), 0);
  return store.write(rows, (tx) => {
    const queues = new Map<string, number>();
    for (const one of logs) {
      const grown = appendOne(tx, one);
      if (grown !== null) queues.set(grown.queue, grown.total);
    }
    for (const [queue, total] of queues) if (most > 0 && total > most) dropOldest(tx, queue, total - most);
  });
}

function appendOne(tx: Transaction, { id, queue, lines }: TaskLines): { queue: string; total: number } | null {
  const task = tx.sql(SEQ_OF).get(id);
  if (task === undefined || lines.length === 0) return null;
  const seq = numberOf(task, "seq");
  const last = tx.sql(LAST_LINE).get(seq);
  let line = last === undefined ? 0 : numberOf(last, "line");
  let bytes = 0;
  for (const { at, level, text } of lines.slice(-MAX_LOG_LINES)) {
    line += 1;
    const kept = text.slice(0, MAX_LOG_LINE_LENGTH);
    bytes += Buffer.byteLength(kept) + LOG_LINE_BYTES;
    tx.sql(APPEND).run(seq, line, Math.round(at), level, kept);
  }
  if (line > MAX_LOG_LINES) {
    for (const row of tx.sql(TRIM).all(seq, line - MAX_LOG_LINES)) bytes -= numberOf(row, "bytes");
  }
  const of = textOf(tx.sql(GROW).get(seq, queue, bytes) ?? {}, "queue");
  return { queue: of, total: numberOf(tx.sql(GROW_TOTAL).get(of, bytes) ?? {}, "bytes") };
}

/** The logs of the oldest tasks of a queue, until so many bytes are gone. */
function dropOldest(tx: Transaction, queue: string, tooMuch: number): void {
  let left = tooMuch;
  while (left > 0) {
    const seqs: number[] = [];
    for (const row of tx.sql(OLDEST).all(queue)) {
      if (left <= 0) break;
      left -= numberOf(row, "bytes");
      seqs.push(numberOf(row, "task"));
    }
    if (seqs.length === 0) return;
    dropLogs(tx, seqs);
  }
}

export async function readLogs(store: Store, id: string): Promise<LogLine[]> {
  return [...(await readLogsAfter(store, id, 0)).lines];
}

export function readLogsAfter(store: Store, id: string, after: number): Promise<LogTail> {
  return store.read((sql) => {
    const rows = sql(LINES).all(id, after);
    const lines = rows.map((row) => ({
      at: numberOf(row, "at"),
      level: LEVELS.find((level) => level === row.level) ?? "info",
      text: textOf(row, "text"),
    }));
    const last = rows.at(-1) ?? sql(LAST).get(id);
    return { lines, last: typeof last?.line === "number" ? last.line : 0 };
  });
}

/** Whether any task at all has a log; without one, nobody needs to drop any. */
export function anyLog(tx: Transaction): boolean {
  return tx.sql(ANY).get() !== undefined;
}

/** The rows of these tasks are gone. */
export function dropLogs(tx: Transaction, seqs: readonly number[]): void {
  if (seqs.length === 0) return;
  const tasks = JSON.stringify(seqs);
  tx.sql(DROP).run(tasks);
  const freed = new Map<string, number>();
  for (const row of tx.sql(FORGET).all(tasks)) {
    const queue = textOf(row, "queue");
    freed.set(queue, (freed.get(queue) ?? 0) + numberOf(row, "bytes"));
  }
  for (const [queue, bytes] of freed) {
    tx.sql(GROW_TOTAL).get(queue, -bytes);
    tx.sql(FORGET_TOTAL).run(queue);
  }
}
