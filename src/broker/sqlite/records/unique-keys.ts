/**
 * Unique keys: which task holds a key of a queue, for a time (`until`) or until it has ended (null). The end of a task
 * frees its key at once; a holder that is gone without having done so holds nothing.
 */
import type { SqlStatement } from "../../../runtime/index.ts";
import type { EnqueueReceipt, EnqueueRequest } from "../../broker.ts";
import { PARKED, STATE, stateName } from "../file/schema.ts";
import type { Transaction } from "../file/transaction.ts";
import { textOf } from "./rows.ts";

const HOLDER = `SELECT uniques.id, until, state FROM uniques LEFT JOIN tasks ON tasks.seq = uniques.task
  WHERE uniques.queue = ? AND key = ?`;
const HOLD = "INSERT OR REPLACE INTO uniques(queue, key, task, id, until) VALUES(?, ?, ?, ?, ?)";
const FREE_ALL = "DELETE FROM uniques WHERE task IN (SELECT value FROM json_each(?))";
const FREE = "DELETE FROM uniques WHERE task = ? AND until IS NULL";
const OVER = `DELETE FROM uniques WHERE (queue, key) IN
  (SELECT queue, key FROM uniques WHERE until <= ? ORDER BY until LIMIT ?)`;
const ANY_OVER = "SELECT 1 FROM uniques WHERE until <= ? LIMIT 1";
const ALIVE: readonly unknown[] = [STATE.queued, STATE.running, STATE.scheduled, STATE.retrying, PARKED];

type Keyed = Pick<EnqueueRequest, "id" | "queue" | "unique">;

/** What the enqueue answers where another task holds the key; null where it is free. */
export function heldBy(tx: Transaction, { queue, unique }: Keyed): EnqueueReceipt | null {
  if (unique === undefined) return null;
  const row = tx.sql(HOLDER).get(queue, unique.key);
  if (row === undefined) return null;
  const held = typeof row.until === "number" ? row.until > tx.now : ALIVE.includes(row.state);
  if (!held) return null;
  const state = typeof row.state === "number" ? stateName(row.state) : "done";
  return { id: textOf(row, "id"), created: false, state };
}

/** Gives the key to the task of that number. */
export function hold(tx: Transaction, seq: number, { id, queue, unique }: Keyed): void {
  if (unique === undefined) return;
  const until = unique.ttlMs === null ? null : Math.ceil(tx.now + unique.ttlMs);
  tx.sql(HOLD).run(queue, unique.key, seq, id, until);
}

/** The task has ended: its key is free, unless it is held for a time. */
export function freeKey(tx: Transaction, seq: number): void {
  tx.sql(FREE).run(seq);
}

/** These were cancelled, or removed by hand: their keys are free, those that are held for a time, too. */
export function freeAllKeys(tx: Transaction, seqs: readonly number[]): void {
  if (seqs.length > 0) tx.sql(FREE_ALL).run(JSON.stringify(seqs));
}

/** Whether any key is there whose time is over. */
export function isOldKeyThere(sql: (text: string) => SqlStatement, now: number): boolean {
  return sql(ANY_OVER).get(now) !== undefined;
}

/** Forgets keys whose time is over, at most `max`; tells how many. */
export function dropOldKeys(tx: Transaction, max: number): number {
  return isOldKeyThere((text) => tx.sql(text), tx.now) ? Number(tx.sql(OVER).run(tx.now, max).changes) : 0;
}
