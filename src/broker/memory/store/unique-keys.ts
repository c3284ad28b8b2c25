/** Which task holds a unique key of a queue, for a time or until it has ended. */

import { hasEnded } from "../../../task/state.ts";
import type { EnqueueReceipt, EnqueueRequest } from "../../broker.ts";
import type { Entry } from "./entry.ts";
import type { KeyHolder, MemoryStore } from "./store.ts";

type Keyed = Pick<EnqueueRequest, "queue"> & { readonly unique?: EnqueueRequest["unique"] | undefined };

/** What the enqueue answers where another task holds the key; null where it is free. */
export function heldBy(store: MemoryStore, { queue, unique }: Keyed): EnqueueReceipt | null {
  const holder = unique === undefined ? undefined : store.keys.get(nameOf(queue, unique.key));
  if (holder === undefined || !isHeld(store, holder)) return null;
  const { id, state } = holder.entry;
  return { id, created: false, state: isThere(store, holder.entry) ? state : "done" };
}

export function hold(store: MemoryStore, entry: Entry, { queue, unique }: Keyed): void {
  if (unique === undefined) return;
  const until = unique.ttlMs === null ? null : Math.ceil(store.now() + unique.ttlMs);
  store.keys.set(nameOf(queue, unique.key), { entry, until });
}

/** The task has ended: its key is free, unless it is held for a time. */
export function freeKey(store: MemoryStore, entry: Entry, key: string): void {
  const name = nameOf(entry.queue, key);
  const holder = store.keys.get(name);
  if (holder?.entry === entry && holder.until === null) store.keys.delete(name);
}

/** It was cancelled, or removed by hand: its keys are free, those that are held for a time, too. */
export function freeAllKeys(store: MemoryStore, entry: Entry): void {
  for (const [name, holder] of store.keys) if (holder.entry === entry) store.keys.delete(name);
}

/** Forgets keys that nobody holds any more; tells how many. */
export function dropOldKeys(store: MemoryStore, max: number): number {
  let dropped = 0;
  for (const [name, holder] of store.keys) {
    if (dropped === max) break;
    if (isHeld(store, holder)) continue;
    store.keys.delete(name);
    dropped += 1;
  }
  return dropped;
}

function isHeld(store: MemoryStore, { entry, until }: KeyHolder): boolean {
  return until === null ? isThere(store, entry) && !hasEnded(entry.state) : until > store.now();
}

function isThere(store: MemoryStore, entry: Entry): boolean {
  return store.tasks.get(entry.id) === entry;
}

function nameOf(queue: string, key: string): string {
  return JSON.stringify([queue, key]);
}
