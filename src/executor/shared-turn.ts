/**
 * One turn of the event loop, shared: whoever waits within the same turn goes on in the same turn. So the completions
 * of tasks that ended together and the claim for their slots reach the broker together, and can share a write.
 */
import { checkpoint } from "../concurrency/index.ts";

/** A signal that never aborts: a turn is over at once. */
const NEVER = new AbortController().signal;

export class SharedTurn {
  #turn: Promise<void> | null = null;

  /** Resolves once the loop has turned. */
  async wait(): Promise<void> {
    this.#turn ??= this.#next();
    await this.#turn;
  }

  async #next(): Promise<void> {
    await checkpoint(NEVER);
    this.#turn = null;
  }
}
