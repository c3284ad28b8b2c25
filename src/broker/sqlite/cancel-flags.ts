/** How long a flag of a cancelled task lasts: an hour, and as long as a living task has its id. */
import { PARKED, STATE } from "./file/schema.ts";
import type { Transaction } from "./file/transaction.ts";

export const FLAG_MS = 3_600_000;

const WAITING_OR_RUNNING = [STATE.queued, STATE.running, STATE.scheduled, STATE.retrying, PARKED];
/** A task that has not ended has this id. */
export const ALIVE = `EXISTS (SELECT 1 FROM ids JOIN tasks ON tasks.seq = ids.seq
  WHERE ids.id = cancels.id AND tasks.state IN (${WAITING_OR_RUNNING.join()}))`;
const ANY_OLD_FLAG = "SELECT 1 FROM cancels WHERE at <= ? LIMIT 1";
const OLD_OF_THESE = `DELETE FROM cancels WHERE at <= ? AND id IN (SELECT value FROM json_each(?)) AND NOT ${ALIVE}`;

/** Tasks come under these ids: what was cancelled an hour ago, and is not there, was another one. */
export function dropOldFlagsOf(tx: Transaction, ids: readonly string[]): void {
  const limit = tx.now - FLAG_MS;
  if (tx.sql(ANY_OLD_FLAG).get(limit) !== undefined) tx.sql(OLD_OF_THESE).run(limit, JSON.stringify(ids));
}
