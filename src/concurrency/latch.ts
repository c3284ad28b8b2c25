// A gate that opens once and stays open.

import { WaitQueue } from "./wait-queue.ts";

/**
 * Something that happens once, and that any number of tasks wait for. Trio calls it an Event.
 *
 * @example
 * ```ts
 * import { Latch, openRoot, withNursery } from "taskexe/concurrency";
 *
 * const ready = new Latch();
 * await withNursery(openRoot(), async (nursery) => {
 *   nursery.startSoon((task) => ready.wait(task.signal));
 *   ready.set();
 * });
 * console.log(ready.isSet); // true
 * ```
 */
export class Latch {
  readonly #waiting = new WaitQueue<void>();
  #isSet = false;

  /** Whether it is open. */
  get isSet(): boolean {
    return this.#isSet;
  }

  /** Opens the latch for good and wakes everyone who waits. Doing it again changes nothing. */
  set(): void {
    this.#isSet = true;
    for (let waiter = this.#waiting.first; waiter !== undefined; waiter = this.#waiting.first) waiter.resolve();
  }

  /**
   * Waits until the latch is set; returns at once if it is.
   *
   * @throws (rejects) the signal's reason.
   */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#isSet) await this.#waiting.wait(undefined, signal);
  }
}
