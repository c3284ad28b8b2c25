// A bound on how many do something at once.
// Promises that permits go out first come, first served, that none is lost with a cancelled wait, and that one given
// back twice is noticed.

import { WouldBlockError } from "./errors.ts";
import { WaitQueue } from "./wait-queue.ts";

/**
 * What a limiter holds at one moment.
 *
 * @example
 * ```ts
 * import { CapacityLimiter, type LimiterStatistics } from "taskexe/concurrency";
 *
 * const limiter = new CapacityLimiter(3);
 * limiter.acquireNowait();
 * const now: LimiterStatistics = limiter.statistics();
 * console.log(now); // { totalTokens: 3, borrowedTokens: 1, waiting: 0 }
 * ```
 */
export interface LimiterStatistics {
  /** How many may be borrowed at once. */
  readonly totalTokens: number;
  /** How many are. */
  readonly borrowedTokens: number;
  /** How many tasks wait to acquire. */
  readonly waiting: number;
}

/**
 * The right to go on, until it is released. With `using` it is released at the end of the block.
 *
 * @example
 * ```ts
 * import { CapacityLimiter, openRoot, type Permit } from "taskexe/concurrency";
 *
 * const limiter = new CapacityLimiter(1);
 * const permit: Permit = await limiter.acquire(openRoot().signal);
 * console.log(limiter.availableTokens); // 0
 * permit.release();
 * console.log(limiter.availableTokens); // 1
 * ```
 */
export class Permit {
  #release: (() => void) | undefined;

  /** @internal */
  constructor(release: () => void) {
    this.#release = release;
  }

  /** Gives the token back. @throws Error when it has been given back already. */
  release(): void {
    if (this.#release === undefined) throw new Error("This permit has been released already");
    const release = this.#release;
    this.#release = undefined;
    release();
  }

  /** Releases the permit if that has not happened. */
  [Symbol.dispose](): void {
    if (this.#release !== undefined) this.release();
  }
}

/**
 * A number of tokens that tasks borrow and give back.
 *
 * @example
 * ```ts
 * import { CapacityLimiter, openRoot, withNursery } from "taskexe/concurrency";
 *
 * const limiter = new CapacityLimiter(2);
 * let most = 0;
 * await withNursery(openRoot(), async (nursery) => {
 *   for (let i = 0; i < 10; i++) {
 *     nursery.startSoon((task) =>
 *       limiter.withPermit(task.signal, async () => {
 *         most = Math.max(most, limiter.borrowedTokens);
 *       }),
 *     );
 *   }
 * });
 * console.log(most); // 2
 * console.log(limiter.availableTokens); // 2
 * ```
 */
export class CapacityLimiter {
  readonly #waiting = new WaitQueue<Permit>();
  #total: number;
  #borrowed = 0;

  /** @throws RangeError unless `totalTokens` is an integer >= 0 or `Infinity`. */
  constructor(totalTokens: number) {
    this.#total = checkTotal(totalTokens);
  }

  /**
   * How many may be borrowed at once; 0 pauses. Raising it wakes waiters. Lowering it takes nothing away: until enough
   * has been given back, nobody gets more.
   *
   * @throws RangeError when set to anything but an integer >= 0 or `Infinity`.
   */
  get totalTokens(): number {
    return this.#total;
  }

  set totalTokens(total: number) {
    this.#total = checkTotal(total);
    this.#serve();
  }

  /** How many are borrowed now. */
  get borrowedTokens(): number {
    return this.#borrowed;
  }

  /** Negative while more is borrowed than a lowered total allows. */
  get availableTokens(): number {
    return this.#total - this.#borrowed;
  }

  /**
   * Waits for a token. Release the permit in `finally`, or use {@link withPermit}.
   *
   * @throws (rejects) the signal's reason.
   */
  async acquire(signal: AbortSignal): Promise<Permit> {
    signal.throwIfAborted();
    if (this.availableTokens > 0) return this.#lend();
    return this.#waiting.wait(undefined, signal);
  }

  /** @throws WouldBlockError when every token is borrowed. */
  acquireNowait(): Permit {
    if (this.availableTokens > 0) return this.#lend();
    throw new WouldBlockError(`All ${this.#total} tokens are borrowed`);
  }

  /**
   * Runs `fn` with a permit and releases it however that ends, but not before.
   *
   * @throws (rejects) the signal's reason, while waiting; what `fn` throws.
   */
  async withPermit<T>(signal: AbortSignal, fn: () => Promise<T> | T): Promise<T> {
    const permit = await this.acquire(signal);
    try {
      return await fn();
    } finally {
      permit.release();
    }
  }

  /** What is borrowed, and how many wait, at this moment. */
  statistics(): LimiterStatistics {
    return { totalTokens: this.#total, borrowedTokens: this.#borrowed, waiting: this.#waiting.size };
  }

  #lend(): Permit {
    this.#borrowed++;
    return new Permit(() => {
      this.#borrowed--;
      this.#serve();
    });
  }

  /** A token goes straight to the first waiter, so a task that comes later finds none. */
  #serve(): void {
    while (this.availableTokens > 0 && this.#waiting.first !== undefined) this.#waiting.first.resolve(this.#lend());
  }
}

function checkTotal(total: number): number {
  if (total === Infinity || (Number.isInteger(total) && total >= 0)) return total;
  throw new RangeError(`A limiter's total is an integer >= 0 or Infinity, got ${String(total)}`);
}
