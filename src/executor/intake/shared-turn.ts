/**
 * One turn of the event loop, shared: whoever waits within the same turn goes on in the same turn. So the completions
 * of tasks that ended together and the claim for their slots reach the broker together and can share a write; and what
 * starts more work waits until that write has gone, so that the broker works on it meanwhile.
 */
import { checkpoint } from "../../concurrency/index.ts";

/** A signal that never aborts: a turn is over at once. */
const NEVER = new AbortController().signal;
/** So many microtask steps a broker's write may take from the call to the socket, with some to spare. */
const LATE_STEPS = 40;
const STEP = Promise.resolve();

export class SharedTurn {
  #turn: Promise<void> | null = null;

  /** Resolves once the loop has turned. */
  async wait(): Promise<void> {
    this.#turn ??= this.#next();
    await this.#turn;
  }

  /** Resolves once the loop has turned and what was called at once in that turn has been written. */
  async waitLate(): Promise<void> {
    await this.wait();
    for (let step = 0; step < LATE_STEPS; step++) await STEP;
  }

  async #next(): Promise<void> {
    await checkpoint(NEVER);
    this.#turn = null;
  }
}
