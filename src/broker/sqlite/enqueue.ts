/**
 * Into the line: new tasks, and those whose time has come.
 */
import type { EnqueueReceipt, EnqueueRequest } from "../broker.ts";
import { dropOldFlagsOf } from "./cancel-flags.ts";
import { NO_TOKEN, STATE, stateName } from "./file/schema.ts";
import type { Store } from "./file/store.ts";
import type { Transaction } from "./file/transaction.ts";
import { TAKE_ID } from "./records/ids.ts";
import { numberOf, textOf } from "./records/rows.ts";
import { heldBy, hold } from "./records/unique-keys.ts";

const INSERT = `INSERT INTO tasks(seq, state, queue, priority, place, token, lease_until, started_at, enqueued_at,
  queued_at, due_at, retention_ms, id, type, message)
  VALUES(?1, ?2, ?3, ?4, ?1, ${NO_TOKEN}, ?5, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11)`;
const STATE_OF = "SELECT state FROM tasks WHERE seq = (SELECT seq FROM ids WHERE id = ?)";
const DUE = "SELECT seq, queue, state FROM tasks WHERE due_at <= ? ORDER BY due_at, place LIMIT ?";
const NEXT_DUE = "SELECT due_at FROM tasks WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1";
const PROMOTE = `UPDATE tasks SET state = ${STATE.queued}, place = ?, queued_at = ?, due_at = NULL WHERE seq = ?`;

/** All or nothing. A task whose id is there already is left as it is. */
export function enqueue(store: Store, requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]> {
  return store.write(requests.length, (tx) => enqueueAll(tx, requests));
}

/** The same, as a part of a larger transaction. */
export function enqueueAll(tx: Transaction, requests: readonly EnqueueRequest[]): EnqueueReceipt[] {
  dropOldFlagsOf(
    tx,
    requests.map(({ id }) => id),
  );
  return requests.map((request) => enqueueOne(tx, request));
}

function enqueueOne(tx: Transaction, request: EnqueueRequest): EnqueueReceipt {
  const { id, queue, delayMs = 0 } = request;
  const { now } = tx;
  if (request.unique !== undefined) {
    const there = receiptOf(tx, id) ?? heldBy(tx, request);
    if (there !== null) return there;
  }
  const seq = tx.nextNumber();
  if (tx.sql(TAKE_ID).run(id, seq).changes === 0) {
    return receiptOf(tx, id) ?? { id, created: false, state: "queued" };
  }
  const state = delayMs > 0 ? "scheduled" : "queued";
  const [queuedAt, dueAt] = delayMs > 0 ? [null, Math.ceil(now + delayMs)] : [now, null];
  const { priority, type, message } = request;
  const retentionMs = Math.ceil(request.retentionMs);
  tx.sql(INSERT).run(seq, STATE[state], queue, priority, now, queuedAt, dueAt, retentionMs, id, type, message);
  hold(tx, seq, request);
  tx.moved(queue, null, state);
  return { id, created: true, state };
}

/** What the enqueue answers where a task of that id is there; null where none is. */
function receiptOf(tx: Transaction, id: string): EnqueueReceipt | null {
  const row = tx.sql(STATE_OF).get(id);
  return row === undefined ? null : { id, created: false, state: stateName(numberOf(row, "state")) };
}

/** Queues what is due, at the end of the line. */
export async function promote(
  store: Store,
  max: number,
): Promise<{ readonly promoted: number; readonly nextInMs: number | null }> {
  const promoted = (await nextInMs(store)) === 0 ? await store.write(max, (tx) => promoteDue(tx, max)) : 0;
  return { promoted, nextInMs: await nextInMs(store) };
}

function promoteDue(tx: Transaction, max: number): number {
  const due = tx.sql(DUE).all(tx.now, max);
  for (const row of due) {
    tx.sql(PROMOTE).run(tx.nextNumber(), tx.now, numberOf(row, "seq"));
    tx.moved(textOf(row, "queue"), stateName(numberOf(row, "state")), "queued");
  }
  return due.length;
}

function nextInMs(store: Store): Promise<number | null> {
  return store.read((sql) => {
    const row = sql(NEXT_DUE).get();
    return row === undefined ? null : Math.max(0, numberOf(row, "due_at") - Date.now());
  });
}
