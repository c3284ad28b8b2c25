/**
 * Cancels: a waiting task ends at once; a running one, or one that is not known, gets a flag, which is also the news
 * that other processes read. A flag lasts an hour, and as long as a living task has its id.
 */

import type { SqlStatement } from "../../runtime/index.ts";
import { isOpenTo, MOVES } from "../../task/state.ts";
import type { CancelReceipt } from "../broker.ts";
import { afterCancel } from "../contract/follow-up.ts";
import { ALIVE, FLAG_MS } from "./cancel-flags.ts";
import { STATE, stateName } from "./file/schema.ts";
import type { Store } from "./file/store.ts";
import type { Transaction } from "./file/transaction.ts";
import { enqueueFollowUp, followersOfCancelled } from "./follow-ups.ts";
import { numberOf, textOf } from "./records/rows.ts";
import { dropLogs } from "./records/task-logs.ts";
import { freeAllKeys } from "./records/unique-keys.ts";

/** How many ids one transaction takes. */
const CHUNK = 1000;

/** The message is read where it may say what follows. */
const FIND = `SELECT tasks.seq, state, queue, type, retention_ms,
  CASE WHEN instr(message, '"on_cancelled"') + instr(message, '"follows"') > 0 THEN message ELSE '' END AS options
  FROM ids JOIN tasks ON tasks.seq = ids.seq WHERE ids.id = ?`;
const REMOVE = "DELETE FROM tasks WHERE seq = ?";
const END = `UPDATE tasks SET state = ${STATE.cancelled}, due_at = NULL, finished_at = ?, expires_at = ?, reason = ?
  WHERE seq = ?`;
const FLAG = "INSERT OR REPLACE INTO cancels(id, at) VALUES(?, ?)";
const FLAGGED = `SELECT id FROM cancels WHERE id IN (SELECT value FROM json_each(?)) AND (at > ? OR ${ALIVE})`;
const ANY_OLD_OF_NOBODY = `SELECT 1 FROM cancels WHERE at <= ? AND NOT ${ALIVE} LIMIT 1`;
const DROP_OLD_FLAGS = `DELETE FROM cancels WHERE seq IN (SELECT seq FROM cancels WHERE at <= ? AND NOT ${ALIVE}
  ORDER BY at LIMIT ?)`;
const WITH_FLAG = "SELECT id FROM cancels WHERE id IN (SELECT value FROM json_each(?))";
const ANY_FLAG = "SELECT 1 FROM cancels LIMIT 1";
const DROP_FLAG = "DELETE FROM cancels WHERE id = ?";
const LAST_NEWS = "SELECT max(seq) AS seq FROM cancels";
const NEWS = `SELECT seq, id FROM cancels WHERE seq > ? ORDER BY seq LIMIT ${CHUNK}`;

/** Answers with the state that each was in. Chunks are ended one after the other. */
export async function cancel(store: Store, ids: readonly string[], reason: string): Promise<CancelReceipt[]> {
  const receipts: CancelReceipt[] = [];
  for (let at = 0; at < ids.length; at += CHUNK) {
    const chunk = ids.slice(at, at + CHUNK);
    receipts.push(
      ...(await store.write(chunk.length, (tx) => {
        const followers = followersOfCancelled(tx);
        return chunk.map((id) => cancelOne(tx, id, reason, followers));
      })),
    );
  }
  return receipts;
}

function cancelOne(tx: Transaction, id: string, reason: string, followers: ReadonlyMap<string, string>): CancelReceipt {
  const row = tx.sql(FIND).get(id);
  const state = row === undefined ? null : stateName(numberOf(row, "state"));
  if (row === undefined || state === null || state === "running") {
    tx.sql(FLAG).run(id, tx.now);
    return { id, state };
  }
  if (!isOpenTo(MOVES.cancel, state)) return { id, state };
  const seq = numberOf(row, "seq");
  const retentionMs = numberOf(row, "retention_ms");
  const message = textOf(row, "options");
  const followUp = afterCancel(message, followers, { id, type: textOf(row, "type"), retentionMs, what: `${tx.now}` });
  if (retentionMs > 0 || followUp !== null) tx.sql(END).run(tx.now, tx.now + retentionMs, reason, seq);
  if (followUp !== null) enqueueFollowUp(tx, seq, followUp);
  if (retentionMs <= 0) {
    tx.sql(REMOVE).run(seq);
    dropLogs(tx, [seq]);
  }
  freeAllKeys(tx, [seq]);
  tx.moved(textOf(row, "queue"), state, retentionMs > 0 ? "cancelled" : null);
  dropFlag(tx, id);
  return { id, state };
}

/** Which of the ids have a flag. */
export function flagged(store: Store, ids: readonly string[]): Promise<string[]> {
  return store.read((sql) => {
    if (ids.length === 0 || sql(ANY_FLAG).get() === undefined) return [];
    return sql(FLAGGED)
      .all(JSON.stringify(ids), Date.now() - FLAG_MS)
      .map((row) => textOf(row, "id"));
  });
}

/** The task has ended, so its flag has done its duty. */
export function dropFlag(tx: Transaction, id: string): void {
  tx.sql(DROP_FLAG).run(id);
}

/** Which of these ids have a flag, old ones too: those are asked about before they run. */
export function flaggedOf(tx: Transaction, ids: readonly string[]): ReadonlySet<string> {
  return new Set(
    tx
      .sql(WITH_FLAG)
      .all(JSON.stringify(ids))
      .map((row) => textOf(row, "id")),
  );
}

/** Whether any task at all has a flag; mostly none has. */
export function anyFlag(tx: Transaction): boolean {
  return tx.sql(ANY_FLAG).get() !== undefined;
}

/** Whether a flag is there that is an hour old and whose task is not. */
export function isOldFlagThere(sql: (text: string) => SqlStatement, now: number): boolean {
  return sql(ANY_OLD_OF_NOBODY).get(now - FLAG_MS) !== undefined;
}

/** Forgets flags that are an hour old and whose task is not there, at most `max`; tells how many. */
export function dropOldFlags(tx: Transaction, max: number): number {
  if (!isOldFlagThere((text) => tx.sql(text), tx.now)) return 0;
  return Number(tx.sql(DROP_OLD_FLAGS).run(tx.now - FLAG_MS, max).changes);
}

/** Up to where the news of cancels have come. */
export function lastNews(store: Store): number {
  const seq = store.sql(LAST_NEWS).get()?.seq;
  return typeof seq === "number" ? seq : 0;
}

/** The cancels after a place in the news, at most 1 000 at a time. */
export function newsAfter(store: Store, last: number): { readonly ids: string[]; readonly last: number } {
  const rows = store.sql(NEWS).all(last);
  const end = rows.at(-1);
  return { ids: rows.map((row) => textOf(row, "id")), last: end === undefined ? last : numberOf(end, "seq") };
}
