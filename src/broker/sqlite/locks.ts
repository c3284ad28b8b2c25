/**
 * Locks of users: a row each beside the lock of a clean-up, gone with the next try of anybody once its time is over.
 * One row more holds the last fence.
 */
import { type Locks, type LockTry, nextFence } from "../contract/locks.ts";
import type { Store } from "./file/store.ts";
import type { Transaction } from "./file/transaction.ts";
import { numberOf, textOf } from "./records/rows.ts";

/** How the names of their rows begin; the clean-up's does not. */
const PREFIX = "lock:";
const BEHIND_PREFIX = "lock;";
/** Its row has the last fence in the place of a time. */
const FENCE = "fence";

const EXPIRE = "DELETE FROM locks WHERE name >= ? AND name < ? AND until <= ?";
const HELD = "SELECT owner, until FROM locks WHERE name = ?";
const PUT = "INSERT OR REPLACE INTO locks(name, owner, until) VALUES(?, ?, ?)";
const LAST_FENCE = "SELECT until FROM locks WHERE name = ?";
const RENEW = "UPDATE locks SET until = ?3 WHERE name = ?1 AND owner = ?2 AND until > ?4";
const FREE = "DELETE FROM locks WHERE name = ? AND owner = ?";

export class SqliteLocks implements Locks {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  take(name: string, owner: string, ttlMs: number): Promise<LockTry> {
    return this.#store.write(1, (tx): LockTry => {
      tx.sql(EXPIRE).run(PREFIX, BEHIND_PREFIX, tx.now);
      const held = tx.sql(HELD).get(PREFIX + name);
      if (held !== undefined && textOf(held, "owner") !== owner) {
        return { taken: false, leftMs: numberOf(held, "until") - tx.now };
      }
      tx.sql(PUT).run(PREFIX + name, owner, tx.now + Math.ceil(ttlMs));
      return { taken: true, fence: drawFence(tx) };
    });
  }

  renew(name: string, owner: string, ttlMs: number): Promise<boolean> {
    return this.#store.write(1, (tx) => {
      return tx.sql(RENEW).run(PREFIX + name, owner, tx.now + Math.ceil(ttlMs), tx.now).changes === 1;
    });
  }

  free(name: string, owner: string): Promise<boolean> {
    return this.#store.write(1, (tx) => tx.sql(FREE).run(PREFIX + name, owner).changes === 1);
  }
}

function drawFence(tx: Transaction): number {
  const last = tx.sql(LAST_FENCE).get(FENCE);
  const fence = nextFence(last === undefined ? 0 : numberOf(last, "until"), tx.now);
  tx.sql(PUT).run(FENCE, "", fence);
  return fence;
}
