/**
 * One write a turn of the event loop for what the hot path asks: completions of the tasks that have just ended and the
 * claim for their slots travel together. A write to a socket costs more than all else on the way of a short task.
 */
import { Latch } from "../../../concurrency/index.ts";
import { CommandBatch } from "./command-batch.ts";
import type { RedisConnections } from "./connections.ts";
import type { Reply } from "./raw-connection.ts";

interface Part {
  readonly fill: (batch: CommandBatch) => void;
  readonly resolve: (replies: readonly Reply[]) => void;
  readonly reject: (error: unknown) => void;
}

/** How many microtask steps a write waits for company. */
const STEPS = 24;
const STEP = Promise.resolve();
/** A signal that never aborts: a write that is due goes in the same turn. */
const NEVER = new AbortController().signal;

export class WriteCoalescer {
  readonly #connections: RedisConnections;
  #parts: Part[] = [];
  /** Whether a write is about to go. */
  #isDue = false;
  /** How many writes are not answered. */
  #unanswered = 0;
  /** The write that is about to go; told when it has gone. */
  #going = new Latch();

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
  send(fill: (batch: CommandBatch) => void): Promise<readonly Reply[]> {
    this.#flushSoon();
    return this.#add(fill);
  }

  /**
   * As `send`, but while an earlier write is unanswered the commands wait: they go with the next write, or at once
   * when the answer has come. For what nobody waits for: under load the completions then travel with the next claim.
   */
  sendAlong(fill: (batch: CommandBatch) => void): Promise<readonly Reply[]> {
    if (this.#unanswered === 0) this.#flushSoon();
    return this.#add(fill);
  }

  /**
   * Resolves once what was asked for in this turn has been handed to the socket. A call may have some steps to go until
   * it is here: no more than a write waits for company.
   */
  async written(): Promise<void> {
    for (let step = 0; step < STEPS && !this.#isDue; step++) await STEP;
    if (this.#isDue) await this.#going.wait(NEVER);
  }

  #add(fill: (batch: CommandBatch) => void): Promise<readonly Reply[]> {
    return new Promise((resolve, reject) => {
      this.#parts.push({ fill, resolve, reject });
    });
  }

  #flushSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
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
    this.#isDue = false;
    this.#going.set();
    this.#going = new Latch();
    const parts = this.#parts;
    this.#parts = [];
    const batch = new CommandBatch();
    const ends: number[] = [];
    for (const { fill } of parts) {
      fill(batch);
      ends.push(batch.length);
    }
    this.#unanswered++;
    this.#connections.hot.send(batch).then(
      (replies) => {
        this.#answered();
        for (const [index, { resolve }] of parts.entries()) resolve(replies.slice(ends[index - 1] ?? 0, ends[index]));
      },
      (error: unknown) => {
        this.#answered();
        const reason = this.#connections.translate(error);
        for (const { reject } of parts) reject(reason);
      },
    );
  }

  #answered(): void {
    this.#unanswered--;
    if (this.#parts.length > 0) this.#flushSoon();
  }
}
