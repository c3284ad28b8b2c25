/** Locks of users. */
import { type Locks, type LockTry, nextFence } from "../contract/locks.ts";
import type { MemoryStore } from "./store/store.ts";

export class MemoryLocks implements Locks {
  readonly #store: () => MemoryStore;

  /** @param store - throws while the broker is not open. */
  constructor(store: () => MemoryStore) {
    this.#store = store;
  }

  async take(name: string, owner: string, ttlMs: number): Promise<LockTry> {
    const store = this.#store();
    const { locks } = store;
    const now = store.now();
    for (const [each, { until }] of locks) if (until <= now) locks.delete(each);
    const held = locks.get(name);
    if (held !== undefined && held.owner !== owner) return { taken: false, leftMs: held.until - now };
    locks.set(name, { owner, until: now + ttlMs });
    store.lastFence = nextFence(store.lastFence, now);
    return { taken: true, fence: store.lastFence };
  }

  async renew(name: string, owner: string, ttlMs: number): Promise<boolean> {
    const store = this.#store();
    const held = store.locks.get(name);
    if (held?.owner !== owner || held.until <= store.now()) return false;
    store.locks.set(name, { owner, until: store.now() + ttlMs });
    return true;
  }

  async free(name: string, owner: string): Promise<boolean> {
    const { locks } = this.#store();
    return locks.get(name)?.owner === owner && locks.delete(name);
  }
}
