// A Clock for tests: time stands still until the test moves it, so that a day passes in a millisecond.
// Promises that timers fire in order, each at its own time, and that what they wake has run before the next fires.
// Does not wait for real I/O.

import type { Clock } from "./clock.ts";
import { checkDuration } from "./durations.ts";
import { TimerHeap } from "./timer-heap.ts";
import { turn } from "./turn.ts";

/**
 * Virtual time, in ms, starting at 0.
 *
 * @example
 * ```ts
 * import { openRoot, sleep } from "taskexe/concurrency";
 * import { MockClock } from "taskexe/testing";
 *
 * const clock = new MockClock();
 * const root = openRoot({ clock });
 * const slept = sleep(86_400_000, root.signal).then(() => "a day later");
 * await clock.advance(86_400_000);
 * console.log(await slept); // "a day later"
 * console.log(clock.now()); // 86_400_000
 * ```
 */
export class MockClock implements Clock {
  readonly #timers = new TimerHeap();
  #now = 0;

  /** The virtual time in ms. */
  now(): number {
    return this.#now;
  }

  /** How many timers wait to fire: 0 when nothing was left behind. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /**
   * As {@link Clock.schedule}: fires in the {@link advance} that reaches `at`.
   *
   * @throws RangeError when `at` is NaN.
   */
  schedule(at: number, callback: () => void): () => void {
    if (Number.isNaN(at)) throw new RangeError("A timer needs a time in ms, got NaN");
    if (at === Infinity) return () => {};
    const entry = this.#timers.add(at, callback, true);
    return () => {
      this.#timers.remove(entry);
    };
  }

  /**
   * Moves the time forward, once all that was started has come to where it waits. Timers that fall due fire on the way,
   * in order, each at its own time; after each of these times the event loop turns, so that a loop of short sleeps runs
   * as often as it would have.
   *
   * Await it: what comes later than the first due time happens after this call has returned.
   *
   * @param ms - how far, in ms, >= 0. With 0 only what is due already fires.
   * @throws RangeError on a negative duration, NaN or Infinity.
   */
  async advance(ms: number): Promise<void> {
    checkDuration(ms, "advance");
    if (ms === Infinity) throw new RangeError("advance needs a finite duration in ms, got Infinity");
    const target = this.#now + ms;
    await settle();
    while (this.#fireNext(target)) await settle();
    this.#now = Math.max(this.#now, target);
    await settle();
  }

  /** Fires all timers of the next due time. @returns false when none is due up to `target`. */
  #fireNext(target: number): boolean {
    const first = this.#timers.first;
    if (first === undefined || first.at > target) return false;
    this.#now = Math.max(this.#now, first.at);
    const newest = this.#timers.newest;
    for (let entry = this.#timers.first; entry !== undefined; entry = this.#timers.first) {
      if (entry.at > this.#now || entry.order > newest) break;
      this.#timers.remove(entry);
      entry.callback();
    }
    return true;
  }
}

/** Lets what was woken run, a checkpoint or two included. */
async function settle(): Promise<void> {
  await turn();
  await turn();
}
