/** The executors of a store: their last beats, and the clean-up lock. */
import type { FleetMember, OnCancelled } from "../broker.ts";
import { MOST_ON_CANCELLED } from "../contract/fleet.ts";
import { readBeat } from "../contract/heartbeat.ts";
import { ORDER_MS } from "../contract/orders.ts";
import { withoutTasks } from "../fleet-beats.ts";
import type { MemoryStore } from "./store/store.ts";

const LOCK_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 120_000;

/** Gives the order that is there for it. */
export function beat(store: MemoryStore, name: string, json: string): string | null {
  store.executors.set(name, { at: store.now(), json });
  const order = store.orders.get(name);
  if (order === undefined || order.until > store.now()) return order?.json ?? null;
  store.orders.delete(name);
  return null;
}

/** Leaves an order for an executor; those whose time is over go. */
export function order(store: MemoryStore, name: string, json: string): void {
  for (const [each, { until }] of store.orders) if (until <= store.now()) store.orders.delete(each);
  store.orders.set(name, { json, until: store.now() + ORDER_MS });
  for (const listener of [...store.orderListeners]) listener(name);
}

export function member(store: MemoryStore, name: string): FleetMember | null {
  const last = store.executors.get(name);
  return last === undefined ? null : { name, at: last.at, beat: readBeat(last.json) };
}

/** By name, without the tasks that they run. */
export function members(store: MemoryStore): FleetMember[] {
  return [...store.executors.keys()]
    .sort()
    .map((name) => member(store, name))
    .filter((each) => each !== null)
    .map(withoutTasks);
}

/** Takes the lock for 60 s; false where another has it. */
export function lock(store: MemoryStore, owner: string): boolean {
  const { cleaner } = store;
  if (cleaner !== null && cleaner.owner !== owner && cleaner.until > store.now()) return false;
  store.cleaner = { owner, until: store.now() + LOCK_MS };
  return true;
}

export function unlock(store: MemoryStore, owner: string): void {
  if (store.cleaner?.owner === owner) store.cleaner = null;
}

/** Removes executors other than `self` without a beat within the timeout. Gives their names. */
export function expel(store: MemoryStore, self: string, timeoutMs = DEFAULT_TIMEOUT_MS): string[] {
  const before = store.now() - timeoutMs;
  const stale = [...store.executors].filter(([name, { at }]) => name !== self && at <= before).map(([name]) => name);
  for (const name of stale) store.executors.delete(name);
  return stale;
}

export function tellOnCancelled({ onCancelled }: MemoryStore, told: readonly OnCancelled[]): void {
  for (const { type, follower } of told) {
    if (follower === null) onCancelled.delete(type);
    else if (onCancelled.size < MOST_ON_CANCELLED || onCancelled.has(type)) onCancelled.set(type, follower);
  }
}
