/**
 * Gathers outcomes and has the broker record them: one batch at a time, whatever came in while the last one was on its
 * way. An outcome is kept until the broker has answered; while the broker is away the intake is told to wait.
 */
import { getLogger } from "@logtape/logtape";
import {
  type Broker,
  BrokerUnavailableError,
  type CompletionResult,
  type Delivery,
  type Outcome,
} from "../broker/broker.ts";
import { Latch, sleep } from "../concurrency/index.ts";
import type { SharedTurn } from "./shared-turn.ts";
import type { Tally } from "./tally.ts";

const logger = getLogger(["taskexe", "executor"]);

/** How many outcomes go in one call. */
const BATCH = 500;
/** Between two tries while the broker is away, in ms. */
const RETRY_MS = 100;

const NONE: readonly Outcome[] = [];

export class Completion {
  readonly #broker: Broker;
  readonly #tally: Tally;
  readonly #limit: number;
  readonly #turn: SharedTurn;
  #queue: Outcome[] = [];
  #flushing: readonly Outcome[] = NONE;
  #wake = new Latch();
  #room = new Latch();
  #idle = new Latch();

  /** @param limit - how many outcomes may wait before the intake is held back. */
  constructor(broker: Broker, tally: Tally, limit: number, turn: SharedTurn) {
    this.#broker = broker;
    this.#tally = tally;
    this.#limit = limit;
    this.#turn = turn;
  }

  /** How many outcomes are not recorded yet. */
  get waiting(): number {
    return this.#queue.length + this.#flushing.length;
  }

  /** The deliveries whose attempt has ended and whose lease must be kept until the broker has answered. */
  *deliveries(): Iterable<Delivery> {
    for (const { delivery } of this.#flushing) yield delivery;
    for (const { delivery } of this.#queue) yield delivery;
  }

  add(outcome: Outcome): void {
    this.#queue.push(outcome);
    this.#wake.set();
  }

  /** Waits until there is room for more. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.waiting >= this.#limit) {
      if (this.#room.isSet) this.#room = new Latch();
      await this.#room.wait(signal);
    }
  }

  /** Waits until every outcome has been answered. */
  async drained(signal: AbortSignal): Promise<void> {
    while (this.waiting > 0) {
      if (this.#idle.isSet) this.#idle = new Latch();
      await this.#idle.wait(signal);
    }
  }

  /** Records until the signal aborts; what is under way then is answered first. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      if (this.#queue.length === 0) {
        this.#wake = new Latch();
        await this.#wake.wait(signal);
        // One turn of the loop, so that tasks which end together are recorded together.
        await this.#turn.wait();
      }
      await this.#flush(this.#queue.splice(0, BATCH), signal);
    }
  }

  async #flush(batch: readonly Outcome[], signal: AbortSignal): Promise<void> {
    this.#flushing = batch;
    for (;;) {
      try {
        const results = await this.#broker.complete(batch);
        this.#flushing = NONE;
        this.#settle(batch, results);
        return;
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError)) throw error;
      }
      await sleep(RETRY_MS, signal);
    }
  }

  #settle(batch: readonly Outcome[], results: readonly CompletionResult[]): void {
    for (const [index, outcome] of batch.entries()) {
      const result = results[index] ?? "lost";
      this.#tally.count(outcome, result);
      if (result === "lost") {
        logger.warn("The completion of {id} was refused: its lease had gone to another executor", { id: outcome.id });
      }
    }
    if (this.waiting < this.#limit) this.#room.set();
    if (this.waiting === 0) this.#idle.set();
  }
}
