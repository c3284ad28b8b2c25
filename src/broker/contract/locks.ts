/**
 * The contract's part for locks that users take: a name has one owner at a time, until it gives the lock back or its
 * time to live is over on the broker's clock. Waiting, renewing and telling of a loss is for whoever takes it.
 */

/** What became of a try to take a lock. */
export type LockTry =
  | {
      readonly taken: true;
      /**
       * Larger than that of every holder before, of whatever name: whoever is protected by the lock refuses what comes
       * with a smaller one. A whole number below 2^53.
       */
      readonly fence: number;
    }
  | {
      readonly taken: false;
      /** When the present owner loses it where that does not renew it, in ms from now; null: never. */
      readonly leftMs: number | null;
    };

export interface Locks {
  /**
   * Takes the lock where nobody holds it, for `ttlMs`. Asked again by its owner it is that one's for `ttlMs` from now,
   * under a new fence.
   *
   * @param name - as src/task/lock/lock.ts lets through.
   * @param owner - told apart from every other holder, before and after.
   */
  take(name: string, owner: string, ttlMs: number): Promise<LockTry>;
  /** It is the owner's for `ttlMs` from now. False: it is not its any more. */
  renew(name: string, owner: string, ttlMs: number): Promise<boolean>;
  /** The owner gives it back. False: it was not its any more. */
  free(name: string, owner: string): Promise<boolean>;
}

/**
 * The fence of a new holder. It goes by the clock, in microseconds, so that it grows even where the broker has lost
 * what it held, and by the last one, so that it grows where the clock is set back. It ends in the year 2255.
 *
 * @param last - the last one; 0: there was none.
 * @param now - Unix ms on the broker's clock.
 */
export function nextFence(last: number, now: number): number {
  return Math.max(last + 1, Math.floor(now * 1_000));
}
