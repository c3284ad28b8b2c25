/**
 * What keeps the file from growing: records whose time is over or that are too many, old flags, keys and beats,
 * leftover ids, and free pages given back to the file system. Each call does bounded work, in small transactions.
 */
import type { CleanReport, Removal } from "../../broker.ts";
import { type KeepingRules, removeSome } from "../../removal.ts";
import { dropOldFlags, isOldFlagThere } from "../cancels.ts";
import { STATE, stateName } from "../file/schema.ts";
import type { Store } from "../file/store.ts";
import type { Transaction } from "../file/transaction.ts";
import { expel } from "../fleet.ts";
import { isSweepDue, sweepIds } from "./ids.ts";
import { numberOf, type Row, textOf } from "./rows.ts";
import { dropLogs } from "./task-logs.ts";
import { dropOldKeys, isOldKeyThere } from "./unique-keys.ts";

const DEFAULT_HEARTBEAT_TIMEOUT_MS = 120_000;
/** How many tasks, or flags, or keys one step removes. */
const CHUNK = 1_000;
/** How many pages of 4 KiB one call gives back, and how many stay free for the next tasks. */
const VACUUM_PAGES = 2000;
const SPARE_PAGES = 2000;
/** Pages are given back in such amounts: each amount is a statement of its own, and statements are kept. */
const VACUUM_STEP = 500;

const EXPIRED = `DELETE FROM tasks
  WHERE seq IN (SELECT seq FROM tasks WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)
  RETURNING seq, queue, state`;
const ANY_EXPIRED = "SELECT 1 FROM tasks WHERE expires_at <= ? LIMIT 1";
/** By when they ended; of the others, which are many, by when they came: no index has their ends by queue. */
const OLDEST_DEAD = `DELETE FROM tasks WHERE seq IN (SELECT seq FROM tasks
  WHERE state = ${STATE.dead} AND queue = ?1 ORDER BY finished_at LIMIT ?2) RETURNING seq, queue, state`;
const OLDEST = (state: number): string => `DELETE FROM tasks WHERE seq IN (SELECT seq FROM tasks
  WHERE state > 1 AND state = ${state} AND queue = ?1 ORDER BY seq LIMIT ?2) RETURNING seq, queue, state`;
const CROWDED = "SELECT queue, n FROM counts WHERE state = ? AND n > ? LIMIT 1";
const EMPTY_COUNTS = "DELETE FROM counts WHERE n = 0";
const FREE_PAGES = "SELECT freelist_count AS n FROM pragma_freelist_count";

export interface CleaningRules {
  readonly executor: string;
  /** Default 120 000. */
  readonly heartbeatTimeoutMs: number | undefined;
  readonly keeping: KeepingRules;
}

export async function clean(store: Store, rules: CleaningRules): Promise<CleanReport> {
  const removed = await store.write(CHUNK, (tx) => {
    tx.sql(EMPTY_COUNTS).run();
    return expel(tx, rules.executor, rules.heartbeatTimeoutMs ?? DEFAULT_HEARTBEAT_TIMEOUT_MS);
  });
  const purged = await removeSome(() => removeStep(store, rules.keeping));
  await shrink(store);
  return { removed, purged };
}

/** One step, in one transaction; none is begun where nothing is over. */
export async function removeStep(store: Store, keeping: KeepingRules): Promise<Removal> {
  const isThere = await store.read((sql) => {
    const now = Date.now();
    return (
      sql(ANY_EXPIRED).get(now) !== undefined ||
      crowds(keeping).some(({ state, limit }) => sql(CROWDED).get(state, limit) !== undefined) ||
      isOldKeyThere(sql, now) ||
      isOldFlagThere(sql, now) ||
      isSweepDue(sql)
    );
  });
  if (!isThere) return { removed: 0, more: false };
  return store.write(CHUNK, (tx) => {
    const removed = removeExpired(tx) || removeSurplus(tx, keeping);
    const others = dropOldKeys(tx, CHUNK) + dropOldFlags(tx, CHUNK);
    // A transaction that removed tasks sweeps by itself.
    const isSweeping = removed === 0 && isSweepDue((text) => tx.sql(text));
    if (isSweeping) sweepIds(tx);
    return { removed, more: removed > 0 || others > 0 || isSweeping };
  });
}

function removeExpired(tx: Transaction): number {
  return remove(tx, tx.sql(EXPIRED).all(tx.now, CHUNK));
}

function removeSurplus(tx: Transaction, keeping: KeepingRules): number {
  for (const { state, limit, oldest } of crowds(keeping)) {
    const crowded = tx.sql(CROWDED).get(state, limit);
    if (crowded === undefined) continue;
    const surplus = Math.min(numberOf(crowded, "n") - limit, CHUNK);
    return remove(tx, tx.sql(oldest).all(textOf(crowded, "queue"), surplus));
  }
  return 0;
}

/** The states of which a queue keeps only so many. */
function crowds({ doneLimit, cancelledLimit, deadLimit }: KeepingRules) {
  const all = [
    { state: STATE.dead, limit: deadLimit, oldest: OLDEST_DEAD },
    { state: STATE.done, limit: doneLimit, oldest: OLDEST(STATE.done) },
    { state: STATE.cancelled, limit: cancelledLimit, oldest: OLDEST(STATE.cancelled) },
  ];
  return all.filter(({ limit }) => limit > 0);
}

function remove(tx: Transaction, rows: readonly Row[]): number {
  for (const row of rows) tx.moved(textOf(row, "queue"), stateName(numberOf(row, "state")), null);
  dropLogs(
    tx,
    rows.map((row) => numberOf(row, "seq")),
  );
  return rows.length;
}

async function shrink(store: Store): Promise<void> {
  const free = await store.read((sql) => Number(sql(FREE_PAGES).get()?.n));
  const surplus = Math.floor(Math.min(free - SPARE_PAGES, VACUUM_PAGES) / VACUUM_STEP) * VACUUM_STEP;
  if (surplus > 0) await store.write(VACUUM_PAGES, (tx) => tx.sql(`PRAGMA incremental_vacuum(${surplus})`).all());
}
