/** Retries and purges by hand. */
import { isOpenTo, MOVES } from "../../../task/state.ts";
import { MAX_ADMINISTRATION_BATCH, type PurgeQuery, type RetryReceipt } from "../../contract/admin.ts";
import { messageWith } from "../../contract/edit-rules.ts";
import { firstAttempt } from "../../first-attempt.ts";
import { dropFlag } from "../cancels.ts";
import { STATE, stateName } from "../file/schema.ts";
import type { Store } from "../file/store.ts";
import type { Transaction } from "../file/transaction.ts";
import { numberOf, textOf } from "./rows.ts";
import { dropLogs } from "./task-logs.ts";
import { freeAllKeys, heldBy, hold } from "./unique-keys.ts";

/** How many records one transaction of a purge looks at: about 2 ms. */
const LOOKS = 10_000;

const FIND = "SELECT tasks.seq, state, queue, message FROM ids JOIN tasks ON tasks.seq = ids.seq WHERE ids.id = ?";
/** As a new task: at the end of the line, nothing told yet. */
const RETRY = `UPDATE tasks SET state = ${STATE.queued}, place = ?, queued_at = ?, message = ?, owner = NULL,
  deliveries = 0, attempt = 0, crashes = 0, completions = 0, progress = 0, progress_msg = '', result = NULL,
  result_omitted = NULL, reason = NULL, error = NULL, due_at = NULL, finished_at = NULL, expires_at = NULL
  WHERE seq = ?`;

/** @throws (rejects) RangeError for more than 1 000 ids. */
export async function retry(store: Store, ids: readonly string[], payload?: string): Promise<RetryReceipt[]> {
  if (ids.length > MAX_ADMINISTRATION_BATCH) {
    throw new RangeError(`a retry takes at most ${MAX_ADMINISTRATION_BATCH} ids at once, got ${ids.length}`);
  }
  return store.write(ids.length, (tx) => ids.map((id) => retryOne(tx, id, payload)));
}

function retryOne(tx: Transaction, id: string, payload: string | undefined): RetryReceipt {
  const row = tx.sql(FIND).get(id);
  if (row === undefined) return { id, state: null, retried: false };
  const state = stateName(numberOf(row, "state"));
  if (!isOpenTo(MOVES.revive, state)) return { id, state, retried: false };
  const [seq, queue] = [numberOf(row, "seq"), textOf(row, "queue")];
  const changed = messageWith(textOf(row, "message"), payload);
  if (changed.refused !== undefined) return { id, state, retried: false, refused: changed.refused };
  const { message, unique } = firstAttempt(changed.message);
  const keyed = { id, queue, ...(unique === undefined ? {} : { unique }) };
  const holder = heldBy(tx, keyed);
  if (holder !== null && holder.id !== id) return { id, state, retried: false, heldBy: holder.id };
  // One that is held for a time, and still is, is held no longer for that.
  if (holder === null) hold(tx, seq, keyed);
  tx.sql(RETRY).run(tx.nextNumber(), tx.now, message, seq);
  tx.moved(queue, state, MOVES.revive.to);
  // The cancel that ended it must not end it again.
  dropFlag(tx, id);
  return { id, state, retried: true };
}

/** @throws (rejects) RangeError for a `max` that is not 1..1 000. */
export async function purge(
  store: Store,
  { state, queue, type }: PurgeQuery,
  max: number,
  queues: readonly string[],
): Promise<number> {
  if (!Number.isInteger(max) || max < 1 || max > MAX_ADMINISTRATION_BATCH) {
    throw new RangeError(`a purge removes 1 to ${MAX_ADMINISTRATION_BATCH} records at once, got ${max}`);
  }
  let purged = 0;
  for (const name of queue === undefined ? queues : [queue]) {
    let after: number | null = -1;
    while (after !== null && purged < max) {
      const window: Window = { state, queue: name, type, after, max: max - purged };
      const { removed, end } = await store.write(window.max, (tx) => purgeWindow(tx, window));
      purged += removed;
      after = end;
    }
  }
  return purged;
}

interface Window {
  readonly state: PurgeQuery["state"];
  readonly queue: string;
  readonly type: string | undefined;
  /** The number behind which it begins. */
  readonly after: number;
  readonly max: number;
}

/**
 * One look at so many records, since hardly any of them may be of the type; without one each fits, and no more are
 * looked at than may go. `end` null: there are no more.
 */
function purgeWindow(
  tx: Transaction,
  { state, queue, type, after, max }: Window,
): { readonly removed: number; readonly end: number | null } {
  const which = `state > 1 AND state = ${STATE[state]} AND queue = ? AND seq > ?`;
  const looks = type === undefined ? max : LOOKS;
  const last = tx
    .sql(`SELECT seq FROM tasks WHERE ${which} ORDER BY seq LIMIT 1 OFFSET ?`)
    .get(queue, after, looks - 1);
  const end = last === undefined ? null : numberOf(last, "seq");
  const ofType = type === undefined ? "" : "AND type = ?";
  const rows = tx
    .sql(
      `DELETE FROM tasks WHERE seq IN (SELECT seq FROM tasks WHERE ${which} AND seq <= ? ${ofType}
        ORDER BY seq LIMIT ?) RETURNING seq`,
    )
    .all(queue, after, end ?? Number.MAX_SAFE_INTEGER, ...(type === undefined ? [] : [type]), max);
  if (rows.length > 0) tx.moved(queue, state, null, rows.length);
  const seqs = rows.map((row) => numberOf(row, "seq"));
  dropLogs(tx, seqs);
  freeAllKeys(tx, seqs);
  return { removed: rows.length, end };
}
