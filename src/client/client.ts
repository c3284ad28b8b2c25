/**
 * The client: what another program may ask of the tasks of a broker. Typed by the definitions of the tasks; every task
 * is checked before it is sent. Lists, retries and the like go straight to the broker and fail while that is away;
 * enqueues wait for it (outbox.ts). Made by `connect`.
 */

import {
  type Broker,
  BrokerUnavailableError,
  type CancelReceipt,
  ENQUEUE_BATCH_LENGTH,
  type EnqueueReceipt,
  type FleetMember,
  MAX_ENQUEUE_BATCH,
  type QueueCounts,
} from "../broker/broker.ts";
import type { ListPage, LogLine, PauseTarget, PurgeQuery, RetryReceipt } from "../broker/contract/admin.ts";
import type { EditReceipt } from "../broker/contract/edit.ts";
import { type CancelScope, openRoot } from "../concurrency/index.ts";
import {
  cancelMatching,
  inBatches,
  promoteMatching,
  purgeMatching,
  retryMatching,
  type TaskFilter,
  total,
} from "../operations/changes/bulk.ts";
import { editTask, type PromoteReceipt, promote, retryWith, type TaskChange } from "../operations/changes/edit.ts";
import { checkFilter } from "../operations/filters.ts";
import { pause } from "../operations/pauses.ts";
import { type Preparation, prepare, type ReadyTask } from "../operations/prepare.ts";
import { findTask } from "../operations/search/find-task.ts";
import { type ListFilter, listed } from "../operations/search/search.ts";
import { type WatchEvent, watchTask } from "../operations/watch/watch.ts";
import { type HeldLock, LockNotTakenError } from "../task/lock/lock.ts";
import type { EnqueueOptions } from "../task/options/enqueue-options.ts";
import type { TaskRecord } from "../task/record/record.ts";
import type { RetriedState } from "../task/state.ts";
import { activeTrace } from "../task/trace/active-trace.ts";
import { enqueueBatches, type Item, type Many, type MixedItem } from "./batches.ts";
import { checkOptionNames, checkTask, isIds, listOf } from "./check-call.ts";
import { ClientClosedError } from "./errors.ts";
import { type ClientLockOptions, ClientLocks, type TriedLock } from "./locks.ts";
import { Outbox, type OutboxLimits } from "./outbox.ts";
import { type Pausable, targetOf } from "./pausable.ts";
import { ClientSchedules } from "./schedules.ts";
import {
  type AnyTask,
  knownBy,
  knownOf,
  type NewPayload,
  type PayloadInput,
  type PayloadSchema,
  type TypedTask,
  typeOf,
  type UntypedTask,
} from "./task-type.ts";

export type { Item, Many, MixedItem } from "./batches.ts";
export type { Pausable } from "./pausable.ts";

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
  readonly #preparation: Preparation;
  readonly #outbox: Outbox;
  readonly #watches = new Set<CancelScope>();
  readonly #locks: ClientLocks;
  #closing: Promise<void> | null = null;

  constructor({ broker, retentionMs, priorities, ...limits }: ClientParts) {
    this.#broker = broker;
    this.#preparation = { retentionMs, priorities };
    this.#outbox = new Outbox(broker, limits);
    this.#locks = new ClientLocks(broker.locks);
    this.schedules = new ClientSchedules((ask) => this.#ask(ask), this.#preparation);
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
    payload: PayloadInput<Schema>,
    options?: EnqueueOptions,
  ): Promise<EnqueueReceipt>;
  enqueue(task: string | UntypedTask, payload?: unknown, options?: EnqueueOptions): Promise<EnqueueReceipt>;
  async enqueue(task: AnyTask, payload?: unknown, options: EnqueueOptions = {}): Promise<EnqueueReceipt> {
    const ready = this.#prepare(task, payload, options);
    // Not awaited where there is nothing to wait for: a close right behind this call then still takes the task along.
    const checking = ready.check();
    if (checking !== undefined) await checking;
    const [receipt] = await this.#outbox.send([ready.task]);
    if (receipt === undefined) throw new Error("the broker gave no receipt");
    return receipt;
  }

  /**
   * Enqueues any number of tasks, in batches of 1 000 (large ones: of 16 million characters) that are enqueued all or
   * not at all.
   *
   * @returns the receipts, in order; `created` tells which ones were there already.
   * @throws what `enqueue` throws where nothing was enqueued yet, else PartlyEnqueuedError with what was.
   */
  enqueueMany<Schema extends PayloadSchema>(
    task: TypedTask<Schema>,
    items: Many<EnqueueOptions & { readonly payload: PayloadInput<Schema> }>,
  ): Promise<EnqueueReceipt[]>;
  enqueueMany(task: string | UntypedTask, items: Many<Item>): Promise<EnqueueReceipt[]>;
  enqueueMany(items: Many<MixedItem>): Promise<EnqueueReceipt[]>;
  async enqueueMany(first: AnyTask | Many<MixedItem>, items?: Many<Item>): Promise<EnqueueReceipt[]> {
    return enqueueBatches(first, items, {
      make: ({ task, payload, ...options }) => {
        const ready = this.#prepare(task, payload, options);
        const checking = ready.check();
        return checking === undefined ? ready.task : checking.then(() => ready.task);
      },
      lengthOf: ({ message }) => message.length,
      send: (batch) => this.#outbox.send(batch),
      ...{ most: MAX_ENQUEUE_BATCH, mostLength: ENQUEUE_BATCH_LENGTH },
    });
  }

  /** The record of a task; null where none is kept. */
  task(id: string): Promise<TaskRecord | null> {
    return this.#ask(async (broker) => (await findTask(broker, id)).record);
  }

  /**
   * A page of tasks; without a limit, up to 100. Long texts are cut, and long results are null (`ListedTask`): `task`
   * gives all. A page ends early where it has 4 MB (`maxBytes`).
   * @throws TypeError for a key or a state that there is not; RangeError for a limit that is not 1 to 1 000, bytes
   *   below 1, or a cursor that no list has given.
   */
  list(query: ListFilter = {}): Promise<ListPage> {
    return this.#ask((broker) => {
      checkFilter("list", query);
      return listed(broker, query);
    });
  }

  /** The last lines of a task's log. */
  logs(id: string): Promise<LogLine[]> {
    return this.#ask((broker) => broker.logs(id));
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
      yield* watchTask(this.#broker, id, scope);
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

  /**
   * Cancels tasks by id: tells in which state each was. With a filter all living ones that match: tells how many.
   *
   * @throws TypeError, with nothing cancelled, for a filter without a type and a queue, or with an unknown key.
   */
  cancel(ids: string | readonly string[]): Promise<CancelReceipt[]>;
  cancel(filter: TaskFilter): Promise<number>;
  cancel(which: string | readonly string[] | TaskFilter): Promise<CancelReceipt[] | number> {
    return this.#ask<CancelReceipt[] | number>((broker) => {
      if (isIds(which)) return inBatches(listOf(which), (batch) => broker.cancel(batch));
      checkFilter("cancel", which);
      return total(cancelMatching(broker, which));
    });
  }

  /**
   * Queues dead and cancelled tasks again, by id, also with another payload; with a filter all dead ones (or, with that
   * state, all cancelled ones) that match.
   * @throws TypeError, with nothing retried, for a filter without a type, a queue and a state, or with an unknown key.
   */
  retry(ids: string | readonly string[], other?: NewPayload): Promise<RetryReceipt[]>;
  retry(filter: TaskFilter & { readonly state?: RetriedState }): Promise<number>;
  retry(
    which: string | readonly string[] | (TaskFilter & { state?: RetriedState }),
    other?: NewPayload,
  ): Promise<RetryReceipt[] | number> {
    return this.#ask<RetryReceipt[] | number>((broker) => {
      const again = (batch: readonly string[]): Promise<RetryReceipt[]> =>
        other === undefined ? broker.retry(batch) : retryWith(broker, knownBy(other.task), batch, other.payload);
      if (isIds(which)) return inBatches(listOf(which), again);
      checkFilter("retry", which);
      return total(retryMatching(broker, which));
    });
  }

  /** Runs now: queues scheduled and retrying tasks at once, by id; with a filter all that match. Throws as `cancel`. */
  promote(ids: string | readonly string[]): Promise<PromoteReceipt[]>;
  promote(filter: TaskFilter): Promise<number>;
  promote(which: string | readonly string[] | TaskFilter): Promise<PromoteReceipt[] | number> {
    return this.#ask<PromoteReceipt[] | number>((broker) => {
      if (isIds(which)) return inBatches(listOf(which), (batch) => promote(broker, batch));
      checkFilter("promote", which);
      return total(promoteMatching(broker, which));
    });
  }

  /**
   * Changes a task that waits: its payload (checked where its definition is given), its priority, its time. With an
   * InvalidTaskError nothing is changed.
   */
  edit(id: string, change: TaskChange, task?: AnyTask): Promise<EditReceipt> {
    return this.#ask((broker) => editTask(broker, knownBy(task), id, change, this.#preparation.priorities));
  }

  /**
   * Removes the records of ended tasks; tells how many.
   *
   * @throws TypeError, with nothing removed, for a state in which no task has ended, or a key that there is not.
   */
  purge(query: PurgeQuery): Promise<number> {
    return this.#ask((broker) => {
      checkFilter("purge", query);
      return total(purgeMatching(broker, query));
    });
  }

  /** How many tasks there are in each state, by queue. */
  counts(): Promise<QueueCounts[]> {
    return this.#ask((broker) => broker.counts());
  }

  /** The executors that are registered, with their last heartbeats. */
  fleet(): Promise<FleetMember[]> {
    return this.#ask((broker) => broker.fleet());
  }

  /**
   * Lets nothing of a queue or a type start, in the whole fleet, until it is resumed.
   *
   * @throws (rejects) InvalidTaskError where nothing can have that name, or 1 000 are paused.
   */
  pause(what: Pausable): Promise<void> {
    return this.#ask(async (broker) => {
      await pause(broker, targetOf(what));
    });
  }

  resume(what: Pausable): Promise<void> {
    return this.#ask((broker) => broker.resume(targetOf(what)));
  }

  /** What is paused. */
  paused(): Promise<PauseTarget[]> {
    return this.#ask((broker) => broker.paused());
  }

  /**
   * Holds a lock of the whole fleet for a block: one holder of a name at a time. It is renewed while the block runs;
   * when it is lost, the block's scope is cancelled. `lock.fence` is larger than that of every holder before.
   *
   * @throws (rejects) LockNotTakenError where another held it for `waitMs`; LockLostError where it was lost before the
   *   block had ended; what the block throws; RangeError; BrokerUnavailableError; the cancel of `options.scope`.
   */
  async withLock<T>(name: string, options: ClientLockOptions, body: (lock: HeldLock) => Promise<T> | T): Promise<T> {
    const tried = await this.#ask(() => this.#locks.hold(name, options, body));
    if (tried.taken) return tried.value;
    throw new LockNotTakenError(name, options.waitMs ?? 0);
  }

  /** The same without a wait: `taken` is false where another one holds it, and the block was not called. */
  tryLock<T>(
    name: string,
    options: Omit<ClientLockOptions, "waitMs">,
    body: (lock: HeldLock) => Promise<T> | T,
  ): Promise<TriedLock<T>> {
    return this.#ask(() => this.#locks.hold(name, { ...options, waitMs: 0 }, body));
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
    await this.#locks.close();
    await this.#broker.close();
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw new ClientClosedError();
  }

  /** Every failure is a rejection, and a closed client is told from a broker that is away. */
  async #ask<T>(ask: (broker: Broker) => Promise<T>): Promise<T> {
    this.#checkOpen();
    try {
      return await ask(this.#broker);
    } catch (error) {
      if (this.#closing === null || !(error instanceof BrokerUnavailableError)) throw error;
      throw new ClientClosedError("the client was closed meanwhile; what was asked may have happened or not");
    }
  }

  #prepare(task: AnyTask, payload: unknown, options: EnqueueOptions): ReadyTask {
    this.#checkOpen();
    checkTask(task);
    checkOptionNames(options);
    const trace = activeTrace();
    const preparation = trace === null ? this.#preparation : { ...this.#preparation, trace };
    return prepare(this.#broker, preparation, { type: typeOf(task), payload, options }, knownOf(task));
  }
}
