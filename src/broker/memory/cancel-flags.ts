/** Flags of cancelled tasks that run, or are not known. One lasts an hour, and while a living task has its id. */
import { hasEnded } from "../../task/state.ts";
import type { MemoryStore } from "./store/store.ts";

const FLAG_MS = 3_600_000;

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
