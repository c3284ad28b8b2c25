/**
 * The executors of this file: who is registered, their beats, and the clean-up lock.
 */

import type { SqlStatement } from "../../runtime/index.ts";
import type { FleetMember } from "../broker.ts";
import { readBeat } from "../contract/heartbeat.ts";
import { ORDER_MS } from "../contract/orders.ts";
import { type Replaced, withoutTasks } from "../fleet-beats.ts";
import type { Store } from "./file/store.ts";
import type { Transaction } from "./file/transaction.ts";
import { numberOf, textOf } from "./records/rows.ts";

/** Older beats are removed, in ms. */
const BEAT_MS = 1_800_000;
const LOCK_MS = 60_000;
const LOCK_NAME = "clean";

const REGISTER = "INSERT OR IGNORE INTO executors(name) VALUES(?)";
const DEREGISTER = "DELETE FROM executors WHERE name = ?";
const BEAT = "INSERT INTO beats(name, at, json) VALUES(?, ?, ?)";
const PASSED = "DELETE FROM beats WHERE name = ? AND json = ?";
const SHRINK = "UPDATE beats SET json = ?3 WHERE name = ?1 AND json = ?2";
const TRIM = "DELETE FROM beats WHERE at <= ?";
const FORGET = "DELETE FROM beats WHERE name = ?";
const MEMBERS = "SELECT name FROM executors ORDER BY name";
const MEMBER = "SELECT 1 FROM executors WHERE name = ?";
const LAST_BEAT = "SELECT at, json FROM beats WHERE name = ? ORDER BY at DESC, rowid DESC LIMIT 1";
const STALE = `SELECT name FROM executors WHERE name <> ?1
  AND NOT EXISTS (SELECT 1 FROM beats WHERE beats.name = executors.name AND beats.at > ?2)`;
const ORDER = "INSERT OR REPLACE INTO orders(name, json, until) VALUES(?, ?, ?)";
const ORDER_OF = "SELECT json FROM orders WHERE name = ? AND until > ?";
const DROP_ORDERS = "DELETE FROM orders WHERE until <= ?";
const LOCK = `INSERT INTO locks(name, owner, until) VALUES(?1, ?2, ?3)
  ON CONFLICT(name) DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE until <= ?4 OR owner = ?2`;
const UNLOCK = "DELETE FROM locks WHERE name = ? AND owner = ?";

/**
 * Registers the executor (again) and stores its beat, in the place of those before it. Gives the order that is there
 * for it.
 */
export function beat(store: Store, name: string, json: string, replaced: readonly Replaced[]): Promise<string | null> {
  return store.write(1, (tx) => {
    tx.sql(REGISTER).run(name);
    replace(tx, name, replaced);
    tx.sql(BEAT).run(name, tx.now, json);
    const row = tx.sql(ORDER_OF).get(name, tx.now);
    return row === undefined ? null : textOf(row, "json");
  });
}

/** Leaves an order for an executor, in the place of the one before. */
export function order(store: Store, name: string, json: string): Promise<void> {
  return store.write(1, (tx) => {
    tx.sql(DROP_ORDERS).run(tx.now);
    tx.sql(ORDER).run(name, json, tx.now + ORDER_MS);
  });
}

/** The order that is there for an executor; undefined: none is. */
export function orderOf(store: Store, name: string): unknown {
  return store.sql(ORDER_OF).get(name, Date.now())?.json;
}

/** Stores the last beat and takes the executor out of the fleet. */
export function leave(store: Store, name: string, json: string, replaced: readonly Replaced[]): Promise<void> {
  return store.write(1, (tx) => {
    replace(tx, name, replaced);
    tx.sql(BEAT).run(name, tx.now, json);
    tx.sql(DEREGISTER).run(name);
  });
}

function replace(tx: Transaction, name: string, replaced: readonly Replaced[]): void {
  for (const { json, kept } of replaced) {
    if (kept === null) tx.sql(PASSED).run(name, json);
    else tx.sql(SHRINK).run(name, json, kept);
  }
}

/** Without the tasks that they run. */
export function members(store: Store): Promise<FleetMember[]> {
  return store.read((sql) =>
    sql(MEMBERS)
      .all()
      .map((row) => withoutTasks(lastOf(textOf(row, "name"), sql(LAST_BEAT)))),
  );
}

/** One that is registered; null where none is of that name. */
export function member(store: Store, name: string): Promise<FleetMember | null> {
  return store.read((sql) => (sql(MEMBER).get(name) === undefined ? null : lastOf(name, sql(LAST_BEAT))));
}

function lastOf(name: string, lastBeat: SqlStatement): FleetMember {
  const last = lastBeat.get(name);
  if (last === undefined) return { name, at: null, beat: null };
  return { name, at: numberOf(last, "at"), beat: readBeat(textOf(last, "json")) };
}

/** Takes the lock for 60 s; false where another has it. */
export function lock(store: Store, owner: string): Promise<boolean> {
  return store.write(1, (tx) => tx.sql(LOCK).run(LOCK_NAME, owner, tx.now + LOCK_MS, tx.now).changes === 1);
}

export function unlock(store: Store, owner: string): Promise<void> {
  return store.write(1, (tx) => {
    tx.sql(UNLOCK).run(LOCK_NAME, owner);
  });
}

/** Trims beats, and removes executors other than `self` without a beat within the timeout. Gives their names. */
export function expel(tx: Transaction, self: string, timeoutMs: number): string[] {
  tx.sql(TRIM).run(tx.now - BEAT_MS);
  tx.sql(DROP_ORDERS).run(tx.now);
  const names = tx
    .sql(STALE)
    .all(self, tx.now - timeoutMs)
    .map((row) => textOf(row, "name"));
  for (const name of names) {
    tx.sql(DEREGISTER).run(name);
    tx.sql(FORGET).run(name);
  }
  return names;
}
