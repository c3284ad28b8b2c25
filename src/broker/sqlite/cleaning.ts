/**
 * What keeps the file from growing: records whose time is over, dead tasks past their number, old flags and beats,
 * leftover ids, and free pages given back to the file system. Each call does bounded work, in small transactions.
 */
import type { CleanReport } from "../broker.ts";
import { dropOldFlags } from "./cancels.ts";
import { expel } from "./fleet.ts";
import { numberOf, textOf } from "./rows.ts";
import { STATE, stateName } from "./schema.ts";
import type { Store } from "./store.ts";
import { dropLogs } from "./task-logs.ts";
import type { Transaction } from "./transaction.ts";
import { dropOldKeys } from "./unique-keys.ts";

/** How many tasks one transaction removes, and how many such transactions one call makes. */
const CHUNK = 500;
const ROUNDS = 40;
/** How many unique keys whose time is over one call forgets. */
const MOST_KEYS = 10_000;
/** How many pages of 4 KiB one call gives back, and how many stay free for the next tasks. */
const VACUUM_PAGES = 2000;
const SPARE_PAGES = 2000;

const EXPIRED =
  "DELETE FROM tasks WHERE seq IN (SELECT seq FROM tasks WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)";
const OLDEST_DEAD = `DELETE FROM tasks WHERE seq IN
  (SELECT seq FROM tasks WHERE state = ${STATE.dead} AND queue = ? ORDER BY finished_at LIMIT ?)`;
const CROWDED = `SELECT queue, n FROM counts WHERE state = ${STATE.dead} AND n > ?`;
const EMPTY_COUNTS = "DELETE FROM counts WHERE n = 0";
const FREE_PAGES = "SELECT freelist_count AS n FROM pragma_freelist_count";

export interface CleaningRules {
  readonly executor: string;
  readonly heartbeatTimeoutMs: number;
  readonly deadLimit: number;
}

export async function clean(store: Store, rules: CleaningRules): Promise<CleanReport> {
  const removed = await store.write(CHUNK, (tx) => {
    dropOldFlags(tx);
    dropOldKeys(tx, MOST_KEYS);
    tx.sql(EMPTY_COUNTS).run();
    return expel(tx, rules.executor, rules.heartbeatTimeoutMs);
  });
  let purged = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const n = await store.write(CHUNK, (tx) => purge(tx, rules.deadLimit));
    purged += n;
    if (n === 0) break;
  }
  await shrink(store);
  return { removed, purged };
}

function purge(tx: Transaction, deadLimit: number): number {
  const expired = remove(tx, `${EXPIRED} RETURNING seq, queue, state`, tx.now, CHUNK);
  if (expired > 0) return expired;
  const crowded = tx.sql(CROWDED).get(deadLimit);
  if (crowded === undefined) return 0;
  const surplus = Math.min(numberOf(crowded, "n") - deadLimit, CHUNK);
  return remove(tx, `${OLDEST_DEAD} RETURNING seq, queue, state`, textOf(crowded, "queue"), surplus);
}

function remove(tx: Transaction, sql: string, ...values: (string | number)[]): number {
  const rows = tx.sql(sql).all(...values);
  for (const row of rows) tx.moved(textOf(row, "queue"), stateName(numberOf(row, "state")), null);
  dropLogs(
    tx,
    rows.map((row) => numberOf(row, "seq")),
  );
  return rows.length;
}

async function shrink(store: Store): Promise<void> {
  const free = await store.read((sql) => Number(sql(FREE_PAGES).get()?.n));
  const surplus = Math.min(free - SPARE_PAGES, VACUUM_PAGES);
  if (surplus > 0) await store.write(VACUUM_PAGES, (tx) => tx.sql(`PRAGMA incremental_vacuum(${surplus})`).all());
}
