/**
 * The tasks on their way to the broker. Enqueues of the same moment travel together; while the broker is away they wait
 * and are sent again under the same ids, so that a lost answer never makes two tasks of one. All has a bound: how many
 * wait, how large they are together, and how long.
 */
import { Pauses } from "../broker/availability.ts";
import {
  type Broker,
  BrokerUnavailableError,
  ENQUEUE_BATCH_LENGTH,
  type EnqueueReceipt,
  MAX_ENQUEUE_BATCH,
} from "../broker/broker.ts";
import { openRoot } from "../concurrency/index.ts";
import { requestsOf } from "../operations/prepare.ts";
import type { PreparedTask } from "../task/message/new-task.ts";
import { sending } from "../task/trace/sending.ts";
import { tracing } from "../tracing/tracing.ts";
import { ClientClosedError, ClientOverloadedError } from "./errors.ts";

/** So long a close waits for the collector of spans, in ms. */
const LAST_SPANS_MS = 2_000;

/** How long the messages that wait may be together, in characters: at most twice as many bytes in memory. */
const MOST_WAITING_LENGTH = 64_000_000;

/** Tasks that are enqueued all or not at all. */
interface Parcel {
  readonly tasks: readonly PreparedTask[];
  /** Of all their messages, in characters. */
  readonly length: number;
  /** When the wait is over, on the clock of `performance.now`. */
  readonly until: number;
  readonly resolve: (receipts: EnqueueReceipt[]) => void;
  readonly reject: (error: unknown) => void;
}

export interface OutboxLimits {
  /** How many tasks may be on their way at once. */
  readonly maxWaiting: number;
  /** How long their messages may be together, in characters. One parcel may always be, however large. */
  readonly maxWaitingLength?: number | undefined;
  /** How long one may be on its way while the broker is away, in ms. */
  readonly waitMs: number;
}

export class Outbox {
  readonly #broker: Broker;
  readonly #limits: OutboxLimits;
  readonly #root = openRoot();
  #parcels: Parcel[] = [];
  #held = 0;
  #heldLength = 0;
  #sending: Promise<void> | null = null;
  #closed = false;

  constructor(broker: Broker, limits: OutboxLimits) {
    this.#broker = broker;
    this.#limits = limits;
  }

  /**
   * Sends up to `MAX_ENQUEUE_BATCH` tasks, all or none of them.
   *
   * @throws (rejects) ClientOverloadedError, ClientClosedError, both at once and with nothing sent;
   * BrokerUnavailableError when the wait is over: the tasks may have been enqueued or not, and can be sent again under
   *   the same ids.
   */
  send(tasks: readonly PreparedTask[]): Promise<EnqueueReceipt[]> {
    return sending(tasks, () => this.#send(tasks));
  }

  /** In this very turn: a close right behind it still takes them along. */
  #send(tasks: readonly PreparedTask[]): Promise<EnqueueReceipt[]> {
    if (this.#closed) return Promise.reject(new ClientClosedError());
    const { maxWaiting, maxWaitingLength = MOST_WAITING_LENGTH, waitMs } = this.#limits;
    if (this.#held + tasks.length > maxWaiting) {
      const more = tasks.length === 1 ? "one more does" : `${tasks.length} more do`;
      const message = `${this.#held} tasks wait to be enqueued and ${more} not fit (limit ${maxWaiting})`;
      return Promise.reject(new ClientOverloadedError(message));
    }
    const length = tasks.reduce((sum, { message }) => sum + message.length, 0);
    if (this.#held > 0 && this.#heldLength + length > maxWaitingLength) {
      const message =
        `${this.#held} tasks with ${this.#heldLength} characters wait to be enqueued and ${length} more do not fit ` +
        `(limit ${maxWaitingLength}): wait for those that were sent before`;
      return Promise.reject(new ClientOverloadedError(message));
    }
    this.#held += tasks.length;
    this.#heldLength += length;
    const { promise, resolve, reject } = Promise.withResolvers<EnqueueReceipt[]>();
    this.#parcels.push({ tasks, length, until: performance.now() + waitMs, resolve, reject });
    this.#sending ??= this.#sendAll();
    return promise;
  }

  /** Takes no more, and waits until what is on its way has arrived or failed; then its spans are sent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#sending;
    await tracing()?.flush(LAST_SPANS_MS);
  }

  /** Never rejects: every failure is its parcel's. */
  async #sendAll(): Promise<void> {
    // What is enqueued in this turn of the loop comes along.
    await Promise.resolve();
    while (this.#parcels.length > 0) await this.#deliver(this.#take());
    this.#sending = null;
  }

  #take(): Parcel[] {
    let [count, whole] = [0, 0];
    const fitting = this.#parcels.findIndex(({ tasks, length }) => {
      count += tasks.length;
      whole += length;
      return count > MAX_ENQUEUE_BATCH || whole > ENQUEUE_BATCH_LENGTH;
    });
    return this.#parcels.splice(0, fitting === -1 ? this.#parcels.length : Math.max(1, fitting));
  }

  async #deliver(taken: readonly Parcel[]): Promise<void> {
    let parcels = taken;
    const pauses = new Pauses();
    while (parcels.length > 0) {
      try {
        this.#arrived(parcels, await this.#enqueue(parcels));
        return;
      } catch (error) {
        if (!(error instanceof BrokerUnavailableError)) return this.#refused(parcels, error);
        parcels = this.#stillWaiting(parcels, error);
        this.#parcels = this.#stillWaiting(this.#parcels, error);
      }
      if (parcels.length > 0) await pauses.wait(this.#root.signal);
    }
  }

  #enqueue(parcels: readonly Parcel[]): Promise<EnqueueReceipt[]> {
    const tasks = parcels.flatMap((parcel) => parcel.tasks);
    return this.#broker.enqueue(requestsOf(tasks, this.#broker));
  }

  #arrived(parcels: readonly Parcel[], receipts: readonly EnqueueReceipt[]): void {
    let from = 0;
    for (const { tasks, length, resolve } of parcels) {
      this.#held -= tasks.length;
      this.#heldLength -= length;
      resolve(receipts.slice(from, from + tasks.length));
      from += tasks.length;
    }
  }

  /** One that the broker refuses must not fail those that happened to travel with it. */
  async #refused(parcels: readonly Parcel[], error: unknown): Promise<void> {
    const [first] = parcels;
    if (parcels.length === 1 && first !== undefined) {
      this.#fail(first, error);
      return;
    }
    for (const parcel of parcels) await this.#deliver([parcel]);
  }

  #stillWaiting(parcels: readonly Parcel[], error: BrokerUnavailableError): Parcel[] {
    const now = performance.now();
    return parcels.filter((parcel) => {
      if (now < parcel.until) return true;
      const message = `not enqueued within ${this.#limits.waitMs} ms: ${error.message}`;
      this.#fail(parcel, new BrokerUnavailableError(message, { cause: error }));
      return false;
    });
  }

  #fail({ tasks, length, reject }: Parcel, error: unknown): void {
    this.#held -= tasks.length;
    this.#heldLength -= length;
    reject(error);
  }
}
