// The measure of time of one tree: every deadline, sleep and grace period of the core goes through a Clock.
// Promises that a timer never fires early, that times beyond the reach of setTimeout work, and that no timer of a
// block that has ended keeps the process alive. Leaves virtual time to MockClock.

import { type TimerEntry, TimerHeap } from "./timer-heap.ts";

/**
 * A monotonic source of time with timers on the same scale.
 *
 * Pass one to {@link openRoot}; every scope below that root then lives on it.
 *
 * @example
 * ```ts
 * import { type Clock, openRoot, systemClock } from "taskexe/concurrency";
 *
 * const twiceAsFast: Clock = {
 *   now: () => systemClock.now() * 2,
 *   schedule: (at, callback) => systemClock.schedule(at / 2, callback),
 * };
 * const root = openRoot({ clock: twiceAsFast });
 * console.log(root.deadline); // Infinity
 * ```
 */
export interface Clock {
  /** The time in ms, on a scale that only ever grows. */
  now(): number;
  /**
   * Calls `callback` once, as soon as `now()` has reached `at` (ms, absolute), and never before this call returns.
   *
   * @param at - `Infinity` never fires.
   * @param keepAlive - whether the process should wait for this timer; default true. A clock may ignore it.
   * @returns takes the timer back; harmless once it has fired.
   */
  schedule(at: number, callback: () => void, keepAlive?: boolean): () => void;
}

/** setTimeout fires at once for anything longer than 2^31-1 ms, on every runtime. */
const longestTimeout = 2 ** 31 - 1;

type RealTimer = ReturnType<typeof setTimeout>;

/**
 * All timers of the process behind a single setTimeout, armed for the earliest of them. A deadline that is met costs
 * a heap insert and removal; the real timer is left standing, without holding the process, for the next to use.
 */
class SystemClock implements Clock {
  readonly #timers = new TimerHeap();
  #real: RealTimer | undefined;
  #realFiresAt = Infinity;
  #realHolds = false;
  #holders = 0;

  now(): number {
    return performance.now();
  }

  schedule(at: number, callback: () => void, keepAlive = true): () => void {
    if (Number.isNaN(at)) throw new RangeError("A timer needs a time in ms, got NaN");
    if (at === Infinity) return () => {};
    const entry = this.#timers.add(at, callback, keepAlive);
    if (keepAlive) this.#holders++;
    this.#arm();
    return () => {
      if (!this.#timers.remove(entry)) return;
      this.#release(entry);
      this.#hold();
    };
  }

  #release(entry: TimerEntry): void {
    if (entry.keepAlive) this.#holders--;
  }

  /** Makes the real timer fire for the earliest entry. One that stands for an entry taken back is left to fire idly. */
  #arm(): void {
    const first = this.#timers.first;
    if (first !== undefined && first.at < this.#realFiresAt) {
      if (this.#real !== undefined) clearTimeout(this.#real);
      const now = this.now();
      const delay = Math.min(longestTimeout, Math.max(1, Math.ceil(first.at - now)));
      this.#real = setTimeout(() => this.#fire(), delay);
      this.#realFiresAt = now + delay;
      this.#realHolds = true;
    }
    this.#hold();
  }

  /** Lets the real timer keep the process alive exactly while an entry wants that. */
  #hold(): void {
    const wanted = this.#holders > 0;
    if (this.#real === undefined || wanted === this.#realHolds) return;
    if (wanted) this.#real.ref();
    else this.#real.unref();
    this.#realHolds = wanted;
  }

  #fire(): void {
    this.#real = undefined;
    this.#realFiresAt = Infinity;
    const now = this.now();
    const newest = this.#timers.newest;
    try {
      for (let entry = this.#timers.first; entry !== undefined; entry = this.#timers.first) {
        // An entry added by a callback waits for the next turn, or a chain of them would starve the event loop.
        if (entry.at > now || entry.order > newest) break;
        this.#timers.remove(entry);
        this.#release(entry);
        entry.callback();
      }
    } finally {
      this.#arm();
    }
  }
}

/**
 * The clock of every root that is given no other: `performance.now()` and one shared timer.
 *
 * @example
 * ```ts
 * import { openRoot, systemClock, withScope } from "taskexe/concurrency";
 *
 * const root = openRoot();
 * const outcome = await withScope(root, { deadline: systemClock.now() + 5_000 }, async () => "in time");
 * console.log(outcome); // { cancelled: false, value: "in time" }
 * ```
 */
export const systemClock: Clock = new SystemClock();
