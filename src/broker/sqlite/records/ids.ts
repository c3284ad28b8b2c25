/**
 * From an id to its task. An entry of `ids` may have outlived its task: it counts only while the task of that number is
 * there, so every look goes through `tasks`. What is left over is swept in runs of neighbours, a few a transaction.
 */
import type { SqlStatement } from "../../../runtime/index.ts";

/** The one row of the ledger. */
export interface Ledger {
  /** The next number for `seq` and `place`; never given twice. */
  next: number;
  /** How many entries of `ids` have lost their task since the last sweep began. */
  stale: number;
  /** Up to which id the sweep that is under way has come; null when none is. */
  sweptTo: string | null;
}

/** Gives the number to the id unless a living task has the id: then nothing changes. */
export const TAKE_ID = `INSERT INTO ids(id, seq) VALUES(?, ?) ON CONFLICT(id) DO UPDATE SET seq = excluded.seq
  WHERE NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.seq = ids.seq)`;

const READ_SWEEP = "SELECT stale, swept_to FROM ledger";
const COUNT_TASKS = "SELECT total(n) AS n FROM counts";
const NO_TASKS = "SELECT 1 FROM tasks LIMIT 1";
const FORGET_ALL = "DELETE FROM ids";
const END_OF_RUN = "SELECT id FROM ids WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?";
const SWEEP_RUN = `DELETE FROM ids WHERE id > ? AND id <= ?
  AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.seq = ids.seq)`;
const SWEEP_REST = "DELETE FROM ids WHERE id > ? AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.seq = ids.seq)";

/** Fewer leftovers than this are not worth a sweep (about 2 MB). */
const WORTH_SWEEPING = 30_000;
/** Fewer than this are left even where everything can be dropped at once. */
const WORTH_DROPPING = 5_000;
/** How many entries one transaction looks at: about 1 ms. */
const RUN = 1000;

/** What of a transaction the sweep needs. */
interface Sweepable {
  readonly sql: (text: string) => SqlStatement;
  readonly ledger: () => Ledger;
}

/** Whether there is something to sweep, now. */
export function isSweepDue(sql: (text: string) => SqlStatement): boolean {
  const row = sql(READ_SWEEP).get();
  if (typeof row?.swept_to === "string") return true;
  const stale = Number(row?.stale);
  return stale >= WORTH_DROPPING && (sql(NO_TASKS).get() === undefined || isWorth(stale, sql));
}

/** More entries are left over than tasks are there. */
function isWorth(stale: number, sql: (text: string) => SqlStatement): boolean {
  return stale >= WORTH_SWEEPING && stale >= Number(sql(COUNT_TASKS).get()?.n);
}

/** Goes on with the sweep, or begins one when more entries are left over than tasks are there. Bounded work. */
export function sweepIds(tx: Sweepable): void {
  const ledger = tx.ledger();
  if (ledger.sweptTo === null) {
    if (ledger.stale < WORTH_DROPPING) return;
    // Without a task in the file, dropping all entries costs next to nothing.
    if (tx.sql(NO_TASKS).get() === undefined) {
      tx.sql(FORGET_ALL).run();
      ledger.stale = 0;
      return;
    }
    if (!isWorth(ledger.stale, (text) => tx.sql(text))) return;
    ledger.stale = 0;
    ledger.sweptTo = "";
  }
  const end = tx.sql(END_OF_RUN).get(ledger.sweptTo, RUN - 1)?.id;
  if (typeof end === "string") tx.sql(SWEEP_RUN).run(ledger.sweptTo, end);
  else tx.sql(SWEEP_REST).run(ledger.sweptTo);
  ledger.sweptTo = typeof end === "string" ? end : null;
}
