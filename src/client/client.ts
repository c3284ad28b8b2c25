/**
 * The client: what another program may ask of the tasks of a broker. Typed by the definitions of the tasks; every task
 * is checked before it is sent. Lists, retries and the like go straight to the broker and fail while that is away;
 * enqueues wait for it (outbox.ts). Made by `connect`.
 */

import type * as v from "valibot";
import type { ListPage, ListQuery, LogLine, PauseTarget, PurgeQuery, RetryReceipt } from "../broker/administration.ts";
import {
  type Broker,
  type CancelReceipt,
  type EnqueueReceipt,
  type FleetMember,
  MAX_ENQUEUE_BATCH,
  type QueueCounts,
} from "../broker/broker.ts";
import {
  cancelMatching,
  purgeMatching,
  type RetriedState,
  retryMatching,
  type TaskFilter,
} from "../broker/operations/bulk.ts";
import { type WatchEvent, watchTask } from "../broker/operations/watch.ts";
import { type CancelScope, openRoot } from "../concurrency/index.ts";
import { withDefaults } from "../task/enqueue-defaults.ts";
import type { EnqueueOptions } from "../task/enqueue-options.ts";
import { type PreparedTask, prepareTask, type Surroundings } from "../task/new-task.ts";
import type { TaskRecord } from "../task/record.ts";
import { ClientClosedError, PartlyEnqueuedError } from "./errors.ts";
import { Outbox, type OutboxLimits } from "./outbox.ts";
import { ClientSchedules } from "./schedules.ts";
import { type AnyTask, checkPayload, type PayloadSchema, type TypedTask, type UntypedTask } from "./task-type.ts";

/** One of many tasks of the same type. */
export type Item<Payload = unknown> = EnqueueOptions & { readonly payload?: Payload };

/** One of many tasks of any types. */
export type MixedItem = EnqueueOptions & { readonly task: AnyTask; readonly payload?: unknown };

type Many<T> = Iterable<T> | AsyncIterable<T>;

/** A queue or a type by its name. */
export type Pausable = { readonly queue: string } | { readonly type: string };

export interface ClientParts extends OutboxLimits {
  /** Open already; the client closes it. */
  readonly broker: Broker;
  /** How long records are kept where neither options nor definition say, in ms. */
  readonly retentionMs: number;
  /** How many priorities the fleet has; default 2. */
  readonly priorities?: number | undefined;
}

export class Client {
  /** Cron schedules. */
  readonly schedules: ClientSchedules;
  readonly #broker: Broker;
  readonly #surroundings: Omit<Surroundings, "now">;
  readonly #outbox: Outbox;
  readonly #watches = new Set<CancelScope>();
  #closing: Promise<void> | null = null;

  constructor({ broker, retentionMs, priorities, ...limits }: ClientParts) {
    this.#broker = broker;
    this.#surroundings = { retentionMs, priorities };
    this.#outbox = new Outbox(broker, limits);
    this.schedules = new ClientSchedules(broker, this.#surroundings);
  }

  /** The broker's address without user and password. */
  get url(): string {
    return this.#broker.url;
  }

  /**
   * Enqueues one task. While the broker is away it waits and is sent again under the same id.
   *
   * @returns `created` is false where a task of that id was there already, or another one holds the unique key: `id` is
   *   then the holder's.
   * @throws InvalidTaskError before anything is sent; ClientOverloadedError; BrokerUnavailableError when the wait is
   *   over; ClientClosedError.
   */
  enqueue<Schema extends PayloadSchema>(
    task: TypedTask<Schema>,
    payload: v.InferInput<Schema>,
    options?: EnqueueOptions,
  ): Promise<EnqueueReceipt>;
  enqueue(task: string | UntypedTask, payload?: unknown, options?: EnqueueOptions): Promise<EnqueueReceipt>;
  async enqueue(task: AnyTask, payload?: unknown, options: EnqueueOptions = {}): Promise<EnqueueReceipt> {
    const prepared = this.#prepare(task, payload, options);
    // Not awaited where there is nothing to wait for: a close right behind this call then still takes the task along.
    const checking = checkPayload(task, prepared.message);
    if (checking !== undefined) await checking;
    const [receipt] = await this.#outbox.send([prepared]);
    if (receipt === undefined) throw new Error("the broker gave no receipt");
    return receipt;
  }

  /**
   * Enqueues any number of tasks, in batches of 1 000 that are enqueued all or not at all.
   *
   * @returns the receipts, in order; `created` tells which ones were there already.
   * @throws what `enqueue` throws where nothing was enqueued yet, else PartlyEnqueuedError with what was.
   */
  enqueueMany<Schema extends PayloadSchema>(
    task: TypedTask<Schema>,
    items: Many<EnqueueOptions & { readonly payload: v.InferInput<Schema> }>,
  ): Promise<EnqueueReceipt[]>;
  enqueueMany(task: string | UntypedTask, items: Many<Item>): Promise<EnqueueReceipt[]>;
  enqueueMany(items: Many<MixedItem>): Promise<EnqueueReceipt[]>;
  async enqueueMany(first: AnyTask | Many<MixedItem>, items?: Many<Item>): Promise<EnqueueReceipt[]> {
    const receipts: EnqueueReceipt[] = [];
    try {
      let batch: PreparedTask[] = [];
      const send = async () => receipts.push(...(await this.#outbox.send(batch)));
      for await (const { task, payload, ...options } of mixed(first, items)) {
        const prepared = this.#prepare(task, payload, options);
        await checkPayload(task, prepared.message);
        batch.push(prepared);
        if (batch.length < MAX_ENQUEUE_BATCH) continue;
        await send();
        batch = [];
      }
      if (batch.length > 0) await send();
      return receipts;
    } catch (error) {
      throw receipts.length === 0 ? error : new PartlyEnqueuedError(receipts, error);
    }
  }

  /** The record of a task; null where none is kept. */
  task(id: string): Promise<TaskRecord | null> {
    return this.#broker.record(id);
  }

  /** A page of tasks; without a limit, up to 100. */
  list(query: Omit<ListQuery, "limit"> & { readonly limit?: number } = {}): Promise<ListPage> {
    return this.#broker.list({ limit: 100, ...query });
  }

  /** The last lines of a task's log. */
  logs(id: string): Promise<LogLine[]> {
    return this.#broker.logs(id);
  }

  /**
   * Follows a task: its states, log lines and progress as they come, then its end.
   *
   * @throws UnknownTaskError when there is no record of it; the signal's reason once that aborts; ClientClosedError;
   *   BrokerUnavailableError when the broker is away for 30 s.
   */
  async *watch(id: string, options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<WatchEvent> {
    const { signal } = options;
    this.#checkOpen();
    const scope = openRoot({ signal });
    this.#watches.add(scope);
    try {
      yield* watchTask(this.#broker, id, scope.signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (scope.cancelCalled) throw new ClientClosedError();
      throw error;
    } finally {
      this.#watches.delete(scope);
      // Takes the listener off the caller's signal.
      scope.cancel("the watch is over");
    }
  }

  /** Cancels tasks by id: tells in which state each was. With a filter all living ones that match: tells how many. */
  cancel(ids: string | readonly string[]): Promise<CancelReceipt[]>;
  cancel(filter: TaskFilter): Promise<number>;
  cancel(which: string | readonly string[] | TaskFilter): Promise<CancelReceipt[] | number> {
    if (isIds(which)) return inBatches(which, (batch) => this.#broker.cancel(batch));
    return total(cancelMatching(this.#broker, checkedFilter(which)));
  }

  /** Queues dead and cancelled tasks again, by id; with a filter all dead ones (or all cancelled ones) that match. */
  retry(ids: string | readonly string[]): Promise<RetryReceipt[]>;
  retry(filter: TaskFilter & { readonly state?: RetriedState }): Promise<number>;
  retry(which: string | readonly string[] | (TaskFilter & { state?: RetriedState })): Promise<RetryReceipt[] | number> {
    if (isIds(which)) return inBatches(which, (batch) => this.#broker.retry(batch));
    return total(retryMatching(this.#broker, { ...which, state: which.state ?? "dead" }));
  }

  /** Removes the records of ended tasks; tells how many. */
  purge(query: PurgeQuery): Promise<number> {
    return total(purgeMatching(this.#broker, query));
  }

  /** How many tasks there are in each state, by queue. */
  counts(): Promise<QueueCounts[]> {
    return this.#broker.counts();
  }

  /** The executors that are registered, with their last heartbeats. */
  fleet(): Promise<FleetMember[]> {
    return this.#broker.fleet();
  }

  /** Lets nothing of a queue or a type start, in the whole fleet, until it is resumed. */
  pause(what: Pausable): Promise<void> {
    return this.#broker.pause(targetOf(what));
  }

  resume(what: Pausable): Promise<void> {
    return this.#broker.resume(targetOf(what));
  }

  /** What is paused. */
  paused(): Promise<PauseTarget[]> {
    return this.#broker.paused();
  }

  /** Takes no more enqueues, waits for those on their way, ends the watches, and leaves nothing open. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#outbox.close();
    for (const watch of this.#watches) watch.cancel("the client is closed");
    await this.#broker.close();
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw new ClientClosedError();
  }

  #prepare(task: AnyTask, payload: unknown, options: EnqueueOptions): PreparedTask {
    this.#checkOpen();
    const now = this.#broker.now();
    if (typeof task === "string") return prepareTask(task, payload, options, { ...this.#surroundings, now });
    const retentionMs = task.retentionMs ?? this.#surroundings.retentionMs;
    const surroundings = { ...this.#surroundings, now, retentionMs };
    return prepareTask(task.type, payload, withDefaults(options, task, now), surroundings);
  }
}

async function* mixed(first: AnyTask | Many<MixedItem>, items: Many<Item> | undefined): AsyncGenerator<MixedItem> {
  if (items === undefined) yield* first as Many<MixedItem>;
  else for await (const item of items) yield { ...item, task: first as AnyTask };
}

function isIds(which: unknown): which is string | readonly string[] {
  return typeof which === "string" || Array.isArray(which);
}

/** Without any condition it would be all there is, which is more often a slip than a wish. */
function checkedFilter(filter: TaskFilter): TaskFilter {
  if (filter.type !== undefined || filter.queue !== undefined) return filter;
  throw new TypeError("cancel takes ids, or a filter with a type or a queue");
}

async function inBatches<T>(
  which: string | readonly string[],
  ask: (batch: readonly string[]) => Promise<T[]>,
): Promise<T[]> {
  const ids = typeof which === "string" ? [which] : [...new Set(which)];
  const answers: T[] = [];
  for (let from = 0; from < ids.length; from += MAX_ENQUEUE_BATCH) {
    answers.push(...(await ask(ids.slice(from, from + MAX_ENQUEUE_BATCH))));
  }
  return answers;
}

async function total(steps: AsyncGenerator<number>): Promise<number> {
  let sum = 0;
  for await (const step of steps) sum += step;
  return sum;
}

function targetOf(what: Pausable): PauseTarget {
  return "queue" in what ? { kind: "queue", name: what.queue } : { kind: "type", name: what.type };
}
