/**
 * One turn of the event loop, shared: whoever waits within the same turn goes on in the same turn. So the completions
 * of tasks that ended together and the claim for their slots reach the broker together and can share a write; and what
 * starts more work waits until that write has gone, so that the broker works on it meanwhile.
 *
 * Attempts that end one by one, as where each has a process of its own, would need a call each, which costs more than
 * all else on the way of a short task: while many run, what ends within a millisecond is gathered. One that ends after
 * a pause, or while few run, waits for nobody.
 */
import type { Broker } from "../../broker/broker.ts";
import { checkpoint, systemClock } from "../../concurrency/index.ts";

/** A signal that never aborts: a turn is over at once. */
const NEVER = new AbortController().signal;
/** Between two calls for few attempts, in ms. */
const GATHER_MS = 1;
/** One of so many that run is not few. */
const FEW_OF = 16;

export class SharedTurn {
  readonly #broker: Pick<Broker, "written">;
  readonly #running: { readonly size: number };
  readonly #gatherMs: number;
  #turn: Promise<void> | null = null;
  #gathering: Promise<void> | null = null;
  /** How many attempts have ended since what had ended was last let go. */
  #ended = 0;
  #goneAt = Number.NEGATIVE_INFINITY;
  #go: (() => void) | null = null;

  /**
   * @param broker - the one that is called in these turns.
   * @param running - the attempts in flight.
   * @param gatherMs - between two calls for few attempts.
   */
  constructor(broker: Pick<Broker, "written">, running: { readonly size: number }, gatherMs = GATHER_MS) {
    this.#broker = broker;
    this.#running = running;
    this.#gatherMs = gatherMs;
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

  /** An attempt has ended. */
  ended(): void {
    this.#ended++;
    if (this.#isEnough) this.#go?.();
  }

  /** Resolves once the loop has turned and enough attempts have ended, or a while after it last did. */
  async gather(): Promise<void> {
    this.#gathering ??= this.#gather();
    await this.#gathering;
  }

  get #isEnough(): boolean {
    return this.#ended * FEW_OF >= this.#running.size;
  }

  async #gather(): Promise<void> {
    await this.wait();
    const dueAt = this.#goneAt + this.#gatherMs;
    if (!this.#isEnough && performance.now() < dueAt) await this.#until(dueAt);
    this.#goneAt = performance.now();
    this.#ended = 0;
    this.#gathering = null;
  }

  #until(dueAt: number): Promise<void> {
    return new Promise((resolve) => {
      const disarm = systemClock.schedule(dueAt, () => this.#go?.());
      this.#go = () => {
        this.#go = null;
        disarm();
        resolve();
      };
    });
  }

  async #next(): Promise<void> {
    await checkpoint(NEVER);
    this.#turn = null;
  }
}
