/**
 * A broker in memory, for tests (taskexe/testing): brokers of one name in this process share a store. It keeps every
 * promise of the contract but that of a restart; nothing of it runs by itself. This file puts the parts together.
 */

import { checkpoint } from "../../concurrency/index.ts";
import { DEFAULT_PRIORITIES } from "../../task/options/enqueue-options.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import type { TaskState } from "../../task/state.ts";
import {
  type Backlog,
  type Broker,
  type BrokerOptions,
  BrokerUnavailableError,
  type CancelReceipt,
  type CleanReport,
  type CompletionResult,
  type ConnectionState,
  type Delivery,
  type EnqueueReceipt,
  type EnqueueRequest,
  type FleetMember,
  type OnCancelled,
  type Outcome,
  type ProgressWrite,
  type QueueCounts,
  type Removal,
} from "../broker.ts";
import { checkRequests } from "../check-requests.ts";
import {
  DEFAULT_LOG_BYTES,
  type ListPage,
  type ListQuery,
  type LogLine,
  type LogTail,
  type OtherQueues,
  type PauseTarget,
  type PurgeQuery,
  type RetryReceipt,
  type TaskGlance,
  type TaskLines,
} from "../contract/admin.ts";
import type {
  ScheduleChange,
  ScheduleChanged,
  ScheduleList,
  ScheduleListQuery,
  StoredSchedule,
  TakenSchedules,
} from "../contract/schedules.ts";
import { listPlaces } from "../list-places.ts";
import { type KeepingRules, keepingRules, removeSome } from "../removal.ts";
import { flagged } from "./cancel-flags.ts";
import * as cancels from "./cancels.ts";
import { type Claimant, claim } from "./claims/claims.ts";
import * as ends from "./claims/ends.ts";
import * as leases from "./claims/leases.ts";
import * as fleet from "./fleet.ts";
import { list } from "./lists.ts";
import { MemoryLocks } from "./locks.ts";
import { appendLogs, logsAfter } from "./logs.ts";
import * as pauses from "./pauses.ts";
import { dropUnused, purge, removeStep } from "./removal.ts";
import * as schedules from "./schedules.ts";
import { recordOf } from "./store/entry.ts";
import { type MemoryStore, storeNamed } from "./store/store.ts";
import * as tasks from "./tasks.ts";
import * as watches from "./watches.ts";

export class MemoryBroker implements Broker {
  readonly kind = "memory";
  readonly isRemote = false;
  readonly url: string;
  readonly leaseMs: number;
  readonly locks = new MemoryLocks(() => this.#store);
  readonly #options: BrokerOptions;
  readonly #priorities: number;
  readonly #keeping: KeepingRules;
  readonly #all: MemoryStore;
  readonly #cancelListeners = new Set<(ids: readonly string[]) => void>();
  readonly #connectionListeners = new Set<(state: ConnectionState) => void>();
  #isOpen = false;

  /** @param store - default: the one of that name, which this process shares. */
  constructor(name: string, options: BrokerOptions, store: MemoryStore = storeNamed(name)) {
    this.url = `memory:${name}`;
    this.leaseMs = options.leaseMs;
    this.#options = options;
    this.#priorities = options.priorities ?? DEFAULT_PRIORITIES;
    this.#keeping = keepingRules(options);
    this.#all = store;
  }

  connection(): ConnectionState {
    return { state: this.#isOpen ? "connected" : "away", lastError: null, warnings: [] };
  }

  onConnectionChange(listener: (state: ConnectionState) => void): () => void {
    this.#connectionListeners.add(listener);
    return () => this.#connectionListeners.delete(listener);
  }

  now(): number {
    return this.#all.now();
  }

  async open(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#isOpen) throw new Error(`the broker ${this.url} is open already`);
    this.#all.cancelListeners.add(this.#tellCancels);
    this.#setOpen(true);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#all.cancelListeners.delete(this.#tellCancels);
    this.#setOpen(false);
    // Claims that wait see that it is closed.
    this.#all.ring();
  }

  async enqueue(requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]> {
    checkRequests(requests, this.#priorities);
    return tasks.enqueue(this.#store, requests);
  }

  async cancel(ids: readonly string[]): Promise<CancelReceipt[]> {
    return cancels.cancel(this.#store, ids);
  }

  async record(id: string): Promise<TaskRecord | null> {
    const entry = this.#store.tasks.get(id);
    return entry === undefined ? null : recordOf(entry);
  }

  async claim(max: number, signal: AbortSignal): Promise<Delivery[]> {
    // Whoever claims and ends without a wait leaves others their turn.
    await checkpoint(signal);
    return claim(() => this.#store, this.#claimant, max, signal);
  }

  async recover(known: ReadonlySet<string>, max: number): Promise<Delivery[]> {
    return leases.recover(this.#store, this.#claimant, known, max);
  }

  async renew(deliveries: readonly Delivery[]): Promise<Delivery[]> {
    return leases.renew(this.#store, this.leaseMs, deliveries);
  }

  /** The store is this process's own: nothing is on its way. */
  async written(): Promise<void> {}

  async complete(outcomes: readonly Outcome[]): Promise<CompletionResult[]> {
    return ends.complete(this.#store, outcomes, this.#keeping.deadRetentionMs);
  }

  async release(deliveries: readonly Delivery[]): Promise<void> {
    leases.release(this.#store, deliveries);
  }

  async reclaim(max: number): Promise<Delivery[]> {
    return leases.reclaim(this.#store, this.#claimant, max);
  }

  async promote(max: number): Promise<{ readonly promoted: number; readonly nextInMs: number | null }> {
    return tasks.promote(this.#store, max);
  }

  async cancelled(ids: readonly string[]): Promise<string[]> {
    return flagged(this.#store, ids);
  }

  onCancel(listener: (ids: readonly string[]) => void): () => void {
    this.#cancelListeners.add(listener);
    return () => this.#cancelListeners.delete(listener);
  }

  async writeProgress(writes: readonly ProgressWrite[]): Promise<void> {
    ends.writeProgress(this.#store, writes);
  }

  async appendLogs(logs: readonly TaskLines[]): Promise<void> {
    appendLogs(this.#store, logs, this.#options.logBytes ?? DEFAULT_LOG_BYTES);
  }

  isTypePaused(type: string): boolean {
    return this.#all.paused.type.has(type);
  }

  async backlog(): Promise<Backlog> {
    const all = await this.counts();
    return {
      pending: all.reduce((sum, { running }) => sum + running, 0),
      lag: all.reduce((sum, { queued }) => sum + queued, 0),
    };
  }

  async counts(queues: readonly string[] = this.#options.queues): Promise<QueueCounts[]> {
    return watches.counts(this.#store, queues);
  }

  async figures(queues: readonly string[]) {
    return watches.figures(this.#store, queues);
  }

  async otherQueues(max: number): Promise<OtherQueues> {
    return watches.otherQueues(this.#store, this.#options.queues, max);
  }

  list(query: ListQuery): Promise<ListPage> {
    return listPlaces.take(async () => list(this.#store, query, this.#options.queues));
  }

  async retry(ids: readonly string[]): Promise<RetryReceipt[]> {
    return tasks.retry(this.#store, ids);
  }

  async purge(query: PurgeQuery, max: number): Promise<number> {
    return purge(this.#store, query, max, this.#options.queues);
  }

  async pause(target: PauseTarget): Promise<void> {
    pauses.pause(this.#store, target);
  }

  async resume(target: PauseTarget): Promise<void> {
    pauses.resume(this.#store, target);
  }

  async paused(): Promise<PauseTarget[]> {
    return pauses.paused(this.#store);
  }

  async logs(id: string): Promise<LogLine[]> {
    return [...(await this.logsAfter(id, 0)).lines];
  }

  async logsAfter(id: string, after: number): Promise<LogTail> {
    return logsAfter(this.#store, id, after);
  }

  async glance(
    asked: readonly { readonly id: string; readonly seen: string | null }[],
  ): Promise<(TaskGlance | "same" | null)[]> {
    return watches.glance(this.#store, asked);
  }

  async states(ids: readonly string[]): Promise<(TaskState | null)[]> {
    return watches.statesOf(this.#store, ids);
  }

  async listSchedules(query: ScheduleListQuery): Promise<ScheduleList> {
    return listPlaces.take(() => schedules.listSchedules(this.#store, query));
  }

  everySchedule(): AsyncGenerator<readonly StoredSchedule[]> {
    return schedules.storedSchedules(this.#store);
  }

  async countSchedules(): Promise<number> {
    return this.#store.schedules.size;
  }

  async takeSchedules(since: number | null, max: number): Promise<TakenSchedules> {
    return schedules.takeSchedules(this.#store, since, max);
  }

  async postponeSchedule(name: string, takenUntil: number, at: number): Promise<void> {
    schedules.postponeSchedule(this.#store, name, takenUntil, at);
  }

  async schedule(name: string): Promise<StoredSchedule | null> {
    return schedules.scheduleNamed(this.#store, name);
  }

  async changeSchedule(change: ScheduleChange): Promise<ScheduleChanged> {
    if (change.enqueue !== undefined) checkRequests([change.enqueue.request], this.#priorities);
    return schedules.changeSchedule(this.#store, change);
  }

  async removeSchedule(name: string): Promise<boolean> {
    return this.#store.schedules.delete(name);
  }

  async tellOnCancelled(told: readonly OnCancelled[]): Promise<void> {
    fleet.tellOnCancelled(this.#store, told);
  }

  /** Only the last beat is kept. */
  async beat(json: string): Promise<void> {
    fleet.beat(this.#store, this.#name, json);
  }

  async leave(): Promise<void> {
    this.#store.executors.delete(this.#name);
  }

  async fleet(): Promise<FleetMember[]> {
    return fleet.members(this.#store);
  }

  async member(name: string): Promise<FleetMember | null> {
    return fleet.member(this.#store, name);
  }

  async lock(): Promise<boolean> {
    return fleet.lock(this.#store, this.#name);
  }

  async unlock(): Promise<void> {
    fleet.unlock(this.#store, this.#name);
  }

  async clean(): Promise<CleanReport> {
    const { heartbeatTimeoutMs, queueUnusedMs } = this.#options;
    const removed = fleet.expel(this.#store, this.#name, heartbeatTimeoutMs);
    const purged = await removeSome(() => this.removeEnded());
    return { removed, purged, dropped: dropUnused(this.#store, queueUnusedMs) };
  }

  async removeEnded(): Promise<Removal> {
    return removeStep(this.#store, this.#keeping);
  }

  readonly #tellCancels = (ids: readonly string[]): void => {
    for (const listener of [...this.#cancelListeners]) listener(ids);
  };

  #setOpen(isOpen: boolean): void {
    this.#isOpen = isOpen;
    for (const listener of [...this.#connectionListeners]) listener(this.connection());
  }

  /** @throws BrokerUnavailableError where it is not open. */
  get #store(): MemoryStore {
    if (this.#isOpen) return this.#all;
    throw new BrokerUnavailableError(`the broker ${this.url} is not open`);
  }

  get #claimant(): Claimant {
    const { queues, leaseMs } = this.#options;
    return { executor: this.#name, queues, leaseMs };
  }

  get #name(): string {
    const { executor } = this.#options;
    if (executor === null) throw new TypeError("this broker was opened for a client: it is no executor");
    return executor;
  }
}
