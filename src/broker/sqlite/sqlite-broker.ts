import type { TaskRecord } from "../../task/record/record.ts";
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
  Removal,
} from "../broker.ts";
import { checkRequests } from "../check-requests.ts";
import { DEFAULT_LOG_BYTES, type TaskLines } from "../contract/admin.ts";
import { type KeepingRules, keepingRules } from "../removal.ts";
import { pathOf } from "./address.ts";
import { SqliteAudit } from "./audit.ts";
import { cancel, flagged } from "./cancels.ts";
import { SqliteClaims } from "./claims/claims.ts";
import { complete, writeProgress } from "./claims/completion.ts";
import { enqueue, promote } from "./enqueue.ts";
import { ConnectionMonitor } from "./file/connection-monitor.ts";
import { DatabaseFile } from "./file/database-file.ts";
import { SqliteLifetime } from "./file/lifetime.ts";
import { Store } from "./file/store.ts";
import { member, members, order } from "./fleet.ts";
import { tellOnCancelled } from "./follow-ups.ts";
import { SqliteLocks } from "./locks.ts";
import { SqliteMembership } from "./membership.ts";
import { Watcher } from "./news/watcher.ts";
import { backlog } from "./records/counts.ts";
import { clean, removeStep } from "./records/removal.ts";
import { appendLogs } from "./records/task-logs.ts";
import { readRecord } from "./records/task-record.ts";
import { SqliteAdministration } from "./sqlite-administration.ts";

export class SqliteBroker extends SqliteAdministration implements Broker {
  readonly kind = "sqlite";
  readonly isRemote = false;
  readonly leaseMs: number;
  readonly locks: SqliteLocks;
  readonly audit: SqliteAudit;
  readonly #lifetime: SqliteLifetime;
  readonly #monitor: ConnectionMonitor;
  readonly #self: SqliteMembership;
  readonly #watcher: Watcher;
  readonly #claims: SqliteClaims | null;
  readonly #keeping: KeepingRules;

  /**
   * @param file - the file of the address; tests hand in one of their own.
   * @throws BrokerUrlError where the address names no file.
   */
  constructor(url: string, options: BrokerOptions, file: DatabaseFile = new DatabaseFile(pathOf(url))) {
    const { executor, leaseMs, queues } = options;
    const monitor = new ConnectionMonitor();
    super(url, new Store(file, monitor, url), options);
    this.#monitor = monitor;
    this.leaseMs = leaseMs;
    this.#keeping = keepingRules(options);
    this.locks = new SqliteLocks(this.store);
    this.audit = new SqliteAudit(this.store, options.auditLimits);
    this.#self = new SqliteMembership(this.store, executor, () => this.now());
    const again = (): void => this.#self.registerAgain();
    this.#watcher = new Watcher(this.store, this.#monitor, this.bell, executor !== null, again);
    const parts = { url, file, store: this.store, watcher: this.#watcher, monitor: this.#monitor };
    this.#lifetime = new SqliteLifetime(parts);
    this.#claims = executor === null ? null : new SqliteClaims(this.store, executor, leaseMs, queues, this.pauses);
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
    await this.#lifetime.close(() => this.bell.ring());
  }

  async enqueue(requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]> {
    checkRequests(requests, this.priorities);
    const receipts = await this.store.inPlace(enqueue(this.store, requests));
    this.bell.ring();
    return receipts;
  }

  async claim(max: number, signal: AbortSignal): Promise<Delivery[]> {
    return this.#mustClaim().claim(max, signal, this.bell);
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
    return complete(this.store, outcomes, this.#keeping.deadRetentionMs, this.bell);
  }

  async release(deliveries: readonly Delivery[]): Promise<void> {
    if (await this.#mustClaim().release(deliveries)) this.bell.ring();
  }

  reclaim(max: number): Promise<Delivery[]> {
    return this.#mustClaim().reclaim(max);
  }

  async promote(max: number): Promise<{ readonly promoted: number; readonly nextInMs: number | null }> {
    const unparked = await this.pauses.goOnResuming();
    const answer = await promote(this.store, max);
    if (answer.promoted + unparked > 0) this.bell.ring();
    return answer;
  }

  async cancel(ids: readonly string[]): Promise<CancelReceipt[]> {
    const receipts = await this.store.inPlace(cancel(this.store, ids, "cancelled by a client"));
    this.#watcher.passOn();
    return receipts;
  }

  cancelled(ids: readonly string[]): Promise<string[]> {
    return flagged(this.store, ids);
  }

  onCancel(listener: (ids: readonly string[]) => void): () => void {
    return this.#watcher.onCancel(listener);
  }

  writeProgress(writes: readonly ProgressWrite[]): Promise<void> {
    return writeProgress(this.store, writes);
  }

  record(id: string): Promise<TaskRecord | null> {
    return readRecord(this.store, id);
  }

  backlog(): Promise<Backlog> {
    return backlog(this.store, this.options.queues);
  }

  isTypePaused(type: string): boolean {
    return this.pauses.isTypePaused(type);
  }

  appendLogs(logs: readonly TaskLines[]): Promise<void> {
    return appendLogs(this.store, logs, this.options.logBytes ?? DEFAULT_LOG_BYTES);
  }

  readonly tellOnCancelled = (told: readonly OnCancelled[]) => tellOnCancelled(this.store, told);

  beat(json: string, isDue = true, kept = json): Promise<string | null> {
    return this.#self.beat(json, isDue, kept);
  }

  order(name: string, json: string): Promise<void> {
    return this.store.inPlace(order(this.store, name, json));
  }

  onOrder(listener: () => void): () => void {
    return this.#watcher.onOrder(this.#self.name, listener);
  }

  leave(json: string): Promise<void> {
    return this.#self.leave(json);
  }

  readonly member = (name: string): Promise<FleetMember | null> => member(this.store, name);

  fleet(): Promise<FleetMember[]> {
    return members(this.store);
  }

  lock(): Promise<boolean> {
    return this.#self.lock();
  }

  unlock(): Promise<void> {
    return this.#self.unlock();
  }

  clean(): Promise<CleanReport> {
    return clean(this.store, {
      executor: this.#self.name,
      heartbeatTimeoutMs: this.options.heartbeatTimeoutMs,
      keeping: this.#keeping,
    });
  }

  removeEnded(): Promise<Removal> {
    return removeStep(this.store, this.#keeping);
  }

  #mustClaim(): SqliteClaims {
    if (this.#claims === null) throw new TypeError("this broker was opened for a client: it cannot claim");
    return this.#claims;
  }
}
