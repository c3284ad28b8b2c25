/** What follows the ends of tasks: enqueued in the transaction that ends them; what is told for those cancelled. */
import type { OnCancelled } from "../broker.ts";
import { MOST_ON_CANCELLED } from "../contract/fleet.ts";
import { type FollowUp, followRequest } from "../contract/follow-up.ts";
import { enqueueAll } from "./enqueue.ts";
import type { Store } from "./file/store.ts";
import type { Transaction } from "./file/transaction.ts";
import { recordOf, textOf } from "./records/rows.ts";

const RECORD = "SELECT * FROM tasks WHERE seq = ?";
const TELL = `INSERT INTO on_cancelled(type, follower) SELECT ?1, ?2
  WHERE (SELECT count(*) FROM on_cancelled) < ${MOST_ON_CANCELLED} OR ?1 IN (SELECT type FROM on_cancelled)
  ON CONFLICT(type) DO UPDATE SET follower = excluded.follower`;
const FORGET = "DELETE FROM on_cancelled WHERE type = ?";
const ALL = "SELECT type, follower FROM on_cancelled";

/** Enqueues what follows the task in this row, which says how it ended. */
export function enqueueFollowUp(tx: Transaction, seq: number, followUp: FollowUp): void {
  const row = tx.sql(RECORD).get(seq);
  if (row !== undefined) enqueueAll(tx, [followRequest(followUp, recordOf(row))]);
}

export function tellOnCancelled(store: Store, told: readonly OnCancelled[]): Promise<void> {
  return store.write(told.length, (tx) => {
    for (const { type, follower } of told) {
      if (follower === null) tx.sql(FORGET).run(type);
      else tx.sql(TELL).run(type, follower);
    }
  });
}

/** What has been told, by type; "": of any. */
export function followersOfCancelled(tx: Transaction): ReadonlyMap<string, string> {
  const rows = tx.sql(ALL).all();
  return new Map(rows.map((row) => [textOf(row, "type"), textOf(row, "follower")]));
}
