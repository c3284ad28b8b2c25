/**
 * One turn of the event loop, shared: whoever waits within the same turn goes on in the same turn. So the completions
 * of tasks that ended together and the claim for their slots reach the broker together and can share a write; and what
 * starts more work waits until that write has gone, so that the broker works on it meanwhile.
 */
import type { Broker } from "../../broker/broker.ts";
import { checkpoint } from "../../concurrency/index.ts";

/** A signal that never aborts: a turn is over at once. */
const NEVER = new AbortController().signal;

export class SharedTurn {
  readonly #broker: Pick<Broker, "written">;
  #turn: Promise<void> | null = null;

  /** @param broker - the one that is called in these turns. */
  constructor(broker: Pick<Broker, "written">) {
    this.#broker = broker;
  }

  /** Resolves once the loop has turned. */
  async wait(): Promise<void> {
    this.#turn ??= this.#next();
    await this.#turn;
  }

  /** Resolves once the loop has turned and what was called at once in that turn has been written. */
  async waitLate(): Promise<void> {
    await this.wait();
    await this.#broker.written();
  }

  async #next(): Promise<void> {
    await checkpoint(NEVER);
    this.#turn = null;
  }
}
