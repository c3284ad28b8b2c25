/** What keeps the store small: records that are over or too many go, and old flags and keys, and unused queues. */
import type { Removal } from "../broker.ts";
import { MAX_ADMINISTRATION_BATCH, type PurgeQuery } from "../contract/admin.ts";
import type { KeepingRules } from "../removal.ts";
import { dropOldFlags } from "./cancel-flags.ts";
import type { Entry } from "./store/entry.ts";
import type { MemoryStore } from "./store/store.ts";
import { dropOldKeys, freeAllKeys } from "./store/unique-keys.ts";

const DEFAULT_UNUSED_MS = 24 * 3_600_000;
/** How many tasks, or flags, or keys one step removes. */
const CHUNK = 1_000;

export function removeStep(store: MemoryStore, keeping: KeepingRules): Removal {
  const expired = store.expiring.upTo(store.now(), CHUNK);
  const over = expired.length > 0 ? expired : surplus(store, keeping);
  for (const entry of over) store.remove(entry);
  const others = dropOldKeys(store, CHUNK) + dropOldFlags(store, CHUNK);
  return { removed: over.length, more: over.length + others > 0 };
}

/** Of one queue and one state of which there are too many: the dead by their ends, the others by their age. */
function surplus(store: MemoryStore, { deadLimit, doneLimit, cancelledLimit }: KeepingRules): Entry[] {
  const limits = [["dead", deadLimit] as const, ["done", doneLimit] as const, ["cancelled", cancelledLimit] as const];
  for (const books of store.queues.values()) {
    for (const [state, limit] of limits) {
      const there = books.of(state);
      if (limit === 0 || there.size <= limit) continue;
      const oldest =
        state === "dead" ? [...there].sort((a, b) => (a.finishedAt ?? 0) - (b.finishedAt ?? 0)) : [...there];
      return oldest.slice(0, Math.min(there.size - limit, CHUNK));
    }
  }
  return [];
}

/** Forgets queues in which nothing is and that were not used for so long; gives their names. */
export function dropUnused(store: MemoryStore, unusedMs = DEFAULT_UNUSED_MS): string[] {
  const before = store.now() - unusedMs;
  const unused = [...store.queues.values()].filter(({ isEmpty, usedAt }) => isEmpty && usedAt <= before);
  for (const { name } of unused) store.queues.delete(name);
  return unused.map(({ name }) => name);
}

/** @throws RangeError for a `max` that is not 1 to 1 000. */
export function purge(store: MemoryStore, query: PurgeQuery, max: number, queues: readonly string[]): number {
  if (!Number.isInteger(max) || max < 1 || max > MAX_ADMINISTRATION_BATCH) {
    throw new RangeError(`a purge removes 1 to ${MAX_ADMINISTRATION_BATCH} records at once, got ${max}`);
  }
  const { state, queue, type } = query;
  const names = queue === undefined ? queues : [queue];
  const purged = names
    .flatMap((name) => [...(store.queues.get(name)?.of(state) ?? [])])
    .filter((entry) => type === undefined || entry.type === type)
    .slice(0, max);
  for (const entry of purged) {
    store.remove(entry);
    freeAllKeys(store, entry);
  }
  return purged.length;
}
