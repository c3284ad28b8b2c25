/**
 * One write a turn of the event loop for what the hot path asks: completions of the tasks that have just ended and the
 * claim for their slots travel together. A write to a socket costs more than all else on the way of a short task.
 */
import type { ChainableCommander } from "ioredis";
import { execute, type RedisConnections } from "./connections.ts";

/** What one command was answered. */
export type Reply = readonly [error: Error | null, reply: unknown];

interface Part {
  readonly fill: (pipeline: ChainableCommander) => void;
  readonly resolve: (replies: readonly Reply[]) => void;
  readonly reject: (error: unknown) => void;
}

/** How many microtask steps a write waits for company. */
const STEPS = 24;
const STEP = Promise.resolve();

export class RedisWire {
  readonly #connections: RedisConnections;
  #parts: Part[] = [];

  constructor(connections: RedisConnections) {
    this.#connections = connections;
  }

  /**
   * Sends commands with whatever else is sent in this turn.
   *
   * @param fill - queues the commands.
   * @returns their replies, in order; an error that is Redis' answer to one command stands in its place.
   * @throws (rejects) BrokerUnavailableError when the connection fails before all are answered.
   */
  send(fill: (pipeline: ChainableCommander) => void): Promise<readonly Reply[]> {
    return new Promise((resolve, reject) => {
      this.#parts.push({ fill, resolve, reject });
      if (this.#parts.length === 1) this.#flushSoon();
    });
  }

  #flushSoon(): void {
    this.#afterThisTurn().then(
      () => this.#flush(),
      () => this.#flush(),
    );
  }

  /** Long enough for calls that began together to arrive together; all within the same turn of the loop. */
  async #afterThisTurn(): Promise<void> {
    for (let step = 0; step < STEPS; step++) await STEP;
  }

  #flush(): void {
    const parts = this.#parts;
    this.#parts = [];
    const pipeline = this.#connections.commands.pipeline();
    const ends: number[] = [];
    for (const { fill } of parts) {
      fill(pipeline);
      ends.push(pipeline.length);
    }
    execute(pipeline).then(
      (replies) => {
        for (const [index, { resolve }] of parts.entries()) resolve(replies.slice(ends[index - 1] ?? 0, ends[index]));
      },
      (error: unknown) => {
        const reason = this.#connections.translate(error);
        for (const { reject } of parts) reject(reason);
      },
    );
  }
}
