/**
 * A broker in memory, for tests (taskexe/testing): brokers of one name in this process share a store. It keeps every
 * promise of the contract but that of a restart; nothing of it runs by itself. This file puts the parts together;
 * what people ask is in memory-administration.ts.
 */

import { checkpoint } from "../../concurrency/index.ts";
import type { TaskRecord } from "../../task/record/record.ts";
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
  type Removal,
} from "../broker.ts";
import { checkRequests } from "../check-requests.ts";
import { DEFAULT_LOG_BYTES, type TaskLines } from "../contract/admin.ts";
import { type KeepingRules, keepingRules, removeSome } from "../removal.ts";
import { MemoryAudit } from "./audit.ts";
import { flagged } from "./cancel-flags.ts";
import * as cancels from "./cancels.ts";
import { type Claimant, claim } from "./claims/claims.ts";
import * as ends from "./claims/ends.ts";
import * as leases from "./claims/leases.ts";
import * as fleet from "./fleet.ts";
import { MemoryLocks } from "./locks.ts";
import { appendLogs } from "./logs.ts";
import { MemoryAdministration } from "./memory-administration.ts";
import { dropUnused, removeStep } from "./removal.ts";
import { recordOf } from "./store/entry.ts";
import { type MemoryStore, storeNamed } from "./store/store.ts";
import * as tasks from "./tasks.ts";

export class MemoryBroker extends MemoryAdministration implements Broker {
  readonly kind = "memory";
  readonly isRemote = false;
  readonly url: string;
  readonly leaseMs: number;
  readonly locks = new MemoryLocks(() => this.store);
  readonly audit: MemoryAudit;
  readonly #keeping: KeepingRules;
  readonly #all: MemoryStore;
  readonly #cancelListeners = new Set<(ids: readonly string[]) => void>();
  readonly #connectionListeners = new Set<(state: ConnectionState) => void>();
  #isOpen = false;

  /** @param store - default: the one of that name, which this process shares. */
  constructor(name: string, options: BrokerOptions, store: MemoryStore = storeNamed(name)) {
    super(options);
    this.url = `memory:${name}`;
    this.leaseMs = options.leaseMs;
    this.audit = new MemoryAudit(() => this.store, options.auditLimits);
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
    checkRequests(requests, this.priorities);
    return tasks.enqueue(this.store, requests);
  }

  async cancel(ids: readonly string[]): Promise<CancelReceipt[]> {
    return cancels.cancel(this.store, ids);
  }

  async record(id: string): Promise<TaskRecord | null> {
    const entry = this.store.tasks.get(id);
    return entry === undefined ? null : recordOf(entry);
  }

  async claim(max: number, signal: AbortSignal): Promise<Delivery[]> {
    // Whoever claims and ends without a wait leaves others their turn.
    await checkpoint(signal);
    return claim(() => this.store, this.#claimant, max, signal);
  }

  async recover(known: ReadonlySet<string>, max: number): Promise<Delivery[]> {
    return leases.recover(this.store, this.#claimant, known, max);
  }

  async renew(deliveries: readonly Delivery[]): Promise<Delivery[]> {
    return leases.renew(this.store, this.leaseMs, deliveries);
  }

  /** The store is this process's own: nothing is on its way. */
  async written(): Promise<void> {}

  async complete(outcomes: readonly Outcome[]): Promise<CompletionResult[]> {
    return ends.complete(this.store, outcomes, this.#keeping.deadRetentionMs);
  }

  async release(deliveries: readonly Delivery[]): Promise<void> {
    leases.release(this.store, deliveries);
  }

  async reclaim(max: number): Promise<Delivery[]> {
    return leases.reclaim(this.store, this.#claimant, max);
  }

  async promote(max: number): Promise<{ readonly promoted: number; readonly nextInMs: number | null }> {
    return tasks.promote(this.store, max);
  }

  async cancelled(ids: readonly string[]): Promise<string[]> {
    return flagged(this.store, ids);
  }

  onCancel(listener: (ids: readonly string[]) => void): () => void {
    this.#cancelListeners.add(listener);
    return () => this.#cancelListeners.delete(listener);
  }

  async writeProgress(writes: readonly ProgressWrite[]): Promise<void> {
    ends.writeProgress(this.store, writes);
  }

  async appendLogs(logs: readonly TaskLines[]): Promise<void> {
    appendLogs(this.store, logs, this.options.logBytes ?? DEFAULT_LOG_BYTES);
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

  async tellOnCancelled(told: readonly OnCancelled[]): Promise<void> {
    fleet.tellOnCancelled(this.store, told);
  }

  /** Only the last beat is kept. */
  async beat(json: string): Promise<string | null> {
    return fleet.beat(this.store, this.#name, json);
  }

  async order(name: string, json: string): Promise<void> {
    fleet.order(this.store, name, json);
  }

  onOrder(listener: () => void): () => void {
    const own = (name: string): void => {
      if (name === this.options.executor) listener();
    };
    this.#all.orderListeners.add(own);
    return () => this.#all.orderListeners.delete(own);
  }

  async leave(): Promise<void> {
    this.store.executors.delete(this.#name);
  }

  async fleet(): Promise<FleetMember[]> {
    return fleet.members(this.store);
  }

  async member(name: string): Promise<FleetMember | null> {
    return fleet.member(this.store, name);
  }

  async lock(): Promise<boolean> {
    return fleet.lock(this.store, this.#name);
  }

  async unlock(): Promise<void> {
    fleet.unlock(this.store, this.#name);
  }

  async clean(): Promise<CleanReport> {
    const { heartbeatTimeoutMs, queueUnusedMs } = this.options;
    const removed = fleet.expel(this.store, this.#name, heartbeatTimeoutMs);
    const purged = await removeSome(() => this.removeEnded());
    return { removed, purged, dropped: dropUnused(this.store, queueUnusedMs) };
  }

  async removeEnded(): Promise<Removal> {
    return removeStep(this.store, this.#keeping);
  }

  readonly #tellCancels = (ids: readonly string[]): void => {
    for (const listener of [...this.#cancelListeners]) listener(ids);
  };

  #setOpen(isOpen: boolean): void {
    this.#isOpen = isOpen;
    for (const listener of [...this.#connectionListeners]) listener(this.connection());
  }

  /** @throws BrokerUnavailableError where it is not open. */
  protected get store(): MemoryStore {
    if (this.#isOpen) return this.#all;
    throw new BrokerUnavailableError(`the broker ${this.url} is not open`);
  }

  get #claimant(): Claimant {
    const { queues, leaseMs } = this.options;
    return { executor: this.#name, queues, leaseMs };
  }

  get #name(): string {
    const { executor } = this.options;
    if (executor === null) throw new TypeError("this broker was opened for a client: it is no executor");
    return executor;
  }
}
