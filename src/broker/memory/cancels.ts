/**
 * Cancels: a waiting task ends at once; a running one, or one that is not known, gets a flag, of which whoever runs it
 * is told. A flag lasts an hour, and as long as a living task has its id.
 */

import { hasEnded, isOpenTo, MOVES } from "../../task/state.ts";
import type { CancelReceipt } from "../broker.ts";
import type { MemoryStore } from "./store/store.ts";
import { freeAllKeys } from "./store/unique-keys.ts";

const FLAG_MS = 3_600_000;

export function cancel(store: MemoryStore, ids: readonly string[]): CancelReceipt[] {
  const receipts = ids.map((id) => cancelOne(store, id));
  const told = receipts.filter(({ state }) => state === null || state === "running").map(({ id }) => id);
  if (told.length > 0) for (const listener of [...store.cancelListeners]) listener(told);
  return receipts;
}

function cancelOne(store: MemoryStore, id: string): CancelReceipt {
  const entry = store.tasks.get(id);
  if (entry === undefined || entry.state === "running") {
    store.flags.set(id, store.now());
    return { id, state: entry?.state ?? null };
  }
  const { state, retentionMs } = entry;
  if (!isOpenTo(MOVES.cancel, state)) return { id, state };
  const now = store.now();
  const end = { dueAt: null, finishedAt: now, expiresAt: now + retentionMs, reason: "cancelled by a client" };
  if (retentionMs > 0) store.move(entry, MOVES.cancel.to, end);
  else store.remove(entry);
  freeAllKeys(store, entry);
  store.flags.delete(id);
  return { id, state };
}

/** Which of the ids have a flag. */
export function flagged(store: MemoryStore, ids: readonly string[]): string[] {
  return ids.filter((id) => store.flags.has(id) && !isOld(store, id));
}

/** A task comes under this id: what was cancelled an hour ago was another one. */
export function dropOldFlagOf(store: MemoryStore, id: string): void {
  if (isOld(store, id)) store.flags.delete(id);
}

/** Forgets flags that are an hour old and whose task is not there, at most `max`; tells how many. */
export function dropOldFlags(store: MemoryStore, max: number): number {
  let dropped = 0;
  for (const id of store.flags.keys()) {
    if (dropped === max) break;
    if (!isOld(store, id)) continue;
    store.flags.delete(id);
    dropped += 1;
  }
  return dropped;
}

function isOld(store: MemoryStore, id: string): boolean {
  const at = store.flags.get(id);
  if (at === undefined || at > store.now() - FLAG_MS) return false;
  const entry = store.tasks.get(id);
  return entry === undefined || hasEnded(entry.state);
}
