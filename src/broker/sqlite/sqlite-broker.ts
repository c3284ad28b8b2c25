/**
 * The embedded broker: one SQLite file, shared by the processes of one host, with every promise of the contract.
 * This file puts the parts together; each part is a file of its own beside it.
 */
import { DEFAULT_PRIORITIES } from "../../task/options/enqueue-options.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import type { TaskState } from "../../task/state.ts";
import type {
  Backlog,
  Broker,
  BrokerOptions,
  CancelReceipt,
  CleanReport,
  CompletionResult,
  ConnectionState,
  Delivery,
  EnqueueReceipt,
  EnqueueRequest,
  FleetMember,
  OnCancelled,
  Outcome,
  ProgressWrite,
  QueueCounts,
  Removal,
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
import { type KeepingRules, keepingRules } from "../removal.ts";
import { pathOf } from "./address.ts";
import { cancel, flagged } from "./cancels.ts";
import { SqliteClaims } from "./claims/claims.ts";
import { complete, writeProgress } from "./claims/completion.ts";
import { enqueue, promote } from "./enqueue.ts";
import { ConnectionMonitor } from "./file/connection-monitor.ts";
import { DatabaseFile } from "./file/database-file.ts";
import { SqliteLifetime } from "./file/lifetime.ts";
import { Store } from "./file/store.ts";
import { member, members } from "./fleet.ts";
import { tellOnCancelled } from "./follow-ups.ts";
import { SqliteLocks } from "./locks.ts";
import { SqliteMembership } from "./membership.ts";
import { Bell } from "./news/bell.ts";
import { Watcher } from "./news/watcher.ts";
import { SqlitePauses } from "./pauses.ts";
import { backlog, counts, figures, otherQueues } from "./records/counts.ts";
import { glance } from "./records/glances.ts";
import { list } from "./records/listing.ts";
import { clean, removeStep } from "./records/removal.ts";
import { purge, retry } from "./records/retry-and-purge.ts";
import { appendLogs, readLogs, readLogsAfter } from "./records/task-logs.ts";
import { readRecord } from "./records/task-record.ts";
import {
  changeSchedule,
  countSchedules,
  listedSchedules,
  postponeSchedule,
  removeSchedule,
  scheduleNamed,
  statesOf,
  storedSchedules,
  takeSchedules,
} from "./schedules.ts";

export class SqliteBroker implements Broker {
  readonly kind = "sqlite";
  readonly isRemote = false;
  readonly url: string;
  readonly leaseMs: number;
  readonly locks: SqliteLocks;
  readonly #options: BrokerOptions;
  readonly #priorities: number;
  readonly #lifetime: SqliteLifetime;
  readonly #monitor = new ConnectionMonitor();
  readonly #bell = new Bell();
  readonly #store: Store;
  readonly #self: SqliteMembership;
  readonly #watcher: Watcher;
  readonly #pauses: SqlitePauses;
  readonly #claims: SqliteClaims | null;
  readonly #keeping: KeepingRules;

  /**
   * @param file - the file of the address; tests hand in one of their own.
   * @throws BrokerUrlError where the address names no file.
   */
  constructor(url: string, options: BrokerOptions, file: DatabaseFile = new DatabaseFile(pathOf(url))) {
    const { executor, leaseMs, queues } = options;
    this.url = url;
    this.leaseMs = leaseMs;
    this.#options = options;
    this.#priorities = options.priorities ?? DEFAULT_PRIORITIES;
    this.#keeping = keepingRules(options);
    this.#store = new Store(file, this.#monitor, url);
    this.locks = new SqliteLocks(this.#store);
    this.#self = new SqliteMembership(this.#store, executor, () => this.now());
    const again = (): void => this.#self.registerAgain();
    this.#watcher = new Watcher(this.#store, this.#monitor, this.#bell, executor !== null, again);
    const parts = { url, file, store: this.#store, watcher: this.#watcher, monitor: this.#monitor };
    this.#lifetime = new SqliteLifetime(parts);
    this.#pauses = new SqlitePauses(this.#store);
    this.#claims = executor === null ? null : new SqliteClaims(this.#store, executor, leaseMs, queues, this.#pauses);
  }

  connection(): ConnectionState {
    return this.#monitor.state;
  }

  onConnectionChange(listener: (state: ConnectionState) => void): () => void {
    return this.#monitor.onChange(listener);
  }

  now(): number {
    return Date.now();
  }

  /** @throws (rejects) SqliteFileError where the file is not ours, or cannot be used by this user. */
  async open(signal: AbortSignal): Promise<void> {
    await this.#lifetime.open(signal);
  }

  async close(): Promise<void> {
    await this.#lifetime.close(() => this.#bell.ring());
  }

  async enqueue(requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]> {
    checkRequests(requests, this.#priorities);
    const receipts = await this.#store.inPlace(enqueue(this.#store, requests));
    this.#bell.ring();
    return receipts;
  }

  async claim(max: number, signal: AbortSignal): Promise<Delivery[]> {
    return this.#mustClaim().claim(max, signal, this.#bell);
  }

  recover(known: ReadonlySet<string>, max: number): Promise<Delivery[]> {
    return this.#mustClaim().recover(known, max);
  }

  renew(deliveries: readonly Delivery[]): Promise<Delivery[]> {
    return this.#mustClaim().renew(deliveries);
  }

  /** The store is this process's own: nothing is on its way. */
  async written(): Promise<void> {}

  complete(outcomes: readonly Outcome[]): Promise<CompletionResult[]> {
    return complete(this.#store, outcomes, this.#keeping.deadRetentionMs, this.#bell);
  }

  async release(deliveries: readonly Delivery[]): Promise<void> {
    if (await this.#mustClaim().release(deliveries)) this.#bell.ring();
  }

  reclaim(max: number): Promise<Delivery[]> {
    return this.#mustClaim().reclaim(max);
  }

  async promote(max: number): Promise<{ readonly promoted: number; readonly nextInMs: number | null }> {
    const unparked = await this.#pauses.goOnResuming();
    const answer = await promote(this.#store, max);
    if (answer.promoted + unparked > 0) this.#bell.ring();
    return answer;
  }

  async cancel(ids: readonly string[]): Promise<CancelReceipt[]> {
    const receipts = await this.#store.inPlace(cancel(this.#store, ids, "cancelled by a client"));
    this.#watcher.passOn();
    return receipts;
  }

  cancelled(ids: readonly string[]): Promise<string[]> {
    return flagged(this.#store, ids);
  }

  onCancel(listener: (ids: readonly string[]) => void): () => void {
    return this.#watcher.onCancel(listener);
  }

  writeProgress(writes: readonly ProgressWrite[]): Promise<void> {
    return writeProgress(this.#store, writes);
  }

  record(id: string): Promise<TaskRecord | null> {
    return readRecord(this.#store, id);
  }

  counts(queues: readonly string[] = this.#options.queues): Promise<QueueCounts[]> {
    return counts(this.#store, queues);
  }

  otherQueues(max: number): Promise<OtherQueues> {
    return otherQueues(this.#store, this.#options.queues, max);
  }

  figures(queues: readonly string[]) {
    return figures(this.#store, pathOf(this.url), queues);
  }

  backlog(): Promise<Backlog> {
    return backlog(this.#store, this.#options.queues);
  }

  list(query: ListQuery): Promise<ListPage> {
    return listPlaces.take(() => list(this.#store, query, this.#options.queues, this.#priorities));
  }

  async retry(ids: readonly string[]): Promise<RetryReceipt[]> {
    const receipts = await this.#store.inPlace(retry(this.#store, ids));
    this.#bell.ring();
    return receipts;
  }

  purge(query: PurgeQuery, max: number): Promise<number> {
    return purge(this.#store, query, max, this.#options.queues);
  }

  pause(target: PauseTarget): Promise<void> {
    return this.#store.inPlace(this.#pauses.pause(target));
  }

  async resume(target: PauseTarget): Promise<void> {
    await this.#store.inPlace(this.#pauses.resume(target));
    this.#bell.ring();
  }

  paused(): Promise<PauseTarget[]> {
    return this.#pauses.list();
  }

  isTypePaused(type: string): boolean {
    return this.#pauses.isTypePaused(type);
  }

  listSchedules(query: ScheduleListQuery): Promise<ScheduleList> {
    return listPlaces.take(() => listedSchedules(this.#store, query));
  }

  everySchedule(): AsyncGenerator<readonly StoredSchedule[]> {
    return storedSchedules(this.#store);
  }

  countSchedules(): Promise<number> {
    return countSchedules(this.#store);
  }

  takeSchedules(since: number | null, max: number): Promise<TakenSchedules> {
    return takeSchedules(this.#store, since, max);
  }

  postponeSchedule(name: string, takenUntil: number, at: number): Promise<void> {
    return postponeSchedule(this.#store, name, takenUntil, at);
  }

  schedule(name: string): Promise<StoredSchedule | null> {
    return scheduleNamed(this.#store, name);
  }

  async changeSchedule(change: ScheduleChange): Promise<ScheduleChanged> {
    if (change.enqueue !== undefined) checkRequests([change.enqueue.request], this.#priorities);
    const changed = await this.#store.inPlace(changeSchedule(this.#store, change));
    if (change.enqueue !== undefined) this.#bell.ring();
    return changed;
  }

  removeSchedule(name: string): Promise<boolean> {
    return this.#store.inPlace(removeSchedule(this.#store, name));
  }

  states(ids: readonly string[]): Promise<(TaskState | null)[]> {
    return statesOf(this.#store, ids);
  }

  appendLogs(logs: readonly TaskLines[]): Promise<void> {
    return appendLogs(this.#store, logs, this.#options.logBytes ?? DEFAULT_LOG_BYTES);
  }

  logsAfter(id: string, after: number): Promise<LogTail> {
    return readLogsAfter(this.#store, id, after);
  }

  glance(asked: readonly { readonly id: string; readonly seen: string | null }[]) {
    return glance(this.#store, asked);
  }

  logs(id: string): Promise<LogLine[]> {
    return readLogs(this.#store, id);
  }

  readonly tellOnCancelled = (told: readonly OnCancelled[]) => tellOnCancelled(this.#store, told);

  beat(json: string, isDue = true, kept = json): Promise<void> {
    return this.#self.beat(json, isDue, kept);
  }

  leave(json: string): Promise<void> {
    return this.#self.leave(json);
  }

  readonly member = (name: string): Promise<FleetMember | null> => member(this.#store, name);

  fleet(): Promise<FleetMember[]> {
    return members(this.#store);
  }

  lock(): Promise<boolean> {
    return this.#self.lock();
  }

  unlock(): Promise<void> {
    return this.#self.unlock();
  }

  clean(): Promise<CleanReport> {
    return clean(this.#store, {
      executor: this.#self.name,
      heartbeatTimeoutMs: this.#options.heartbeatTimeoutMs,
      keeping: this.#keeping,
    });
  }

  removeEnded(): Promise<Removal> {
    return removeStep(this.#store, this.#keeping);
  }

  #mustClaim(): SqliteClaims {
    if (this.#claims === null) throw new TypeError("this broker was opened for a client: it cannot claim");
    return this.#claims;
  }
}
