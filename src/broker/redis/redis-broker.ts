/**
 * The Redis broker: streams and one consumer group, with the names that RagFlow's producers and admin pages know.
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
  Outcome,
  ProgressWrite,
  QueueCounts,
  Removal,
} from "../broker.ts";
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
import { type KeepingRules, keepingRules, removeSome } from "../removal.ts";
import { RedisCancels } from "./cancels.ts";
import { RedisClaims } from "./claims/claims.ts";
import { RedisCompletion } from "./claims/completion.ts";
import type { RedisDelivery } from "./claims/delivery.ts";
import { RedisHandBack } from "./claims/hand-back.ts";
import { RedisLeases } from "./claims/leases.ts";
import { TaskStarts } from "./claims/task-starts.ts";
import { parseRedisAddress } from "./connection/address.ts";
import { RedisClock } from "./connection/clock.ts";
import { RedisConnections } from "./connection/connections.ts";
import { Doubt } from "./connection/doubt.ts";
import { RedisDuties } from "./connection/duties.ts";
import { RedisServerFacts } from "./connection/server-facts.ts";
import { WriteCoalescer } from "./connection/write-coalescer.ts";
import { RedisEnqueue } from "./enqueue.ts";
import { RedisFleet } from "./fleet.ts";
import { dropConsumers } from "./group-consumers.ts";
import { RedisPauses } from "./pauses.ts";
import { RedisQueueRegister } from "./queue-register.ts";
import { queuesOf, RedisQueueUpkeep } from "./queue-upkeep.ts";
import { RedisElsewhere } from "./records/elsewhere.ts";
import { glance } from "./records/glances.ts";
import { RedisListing } from "./records/listing.ts";
import { RedisRemoval } from "./records/removal.ts";
import { RedisRetryAndPurge } from "./records/retry-and-purge.ts";
import { RedisLogs } from "./records/task-logs.ts";
import { RedisRecords } from "./records/task-records.ts";
import { RedisVanished } from "./records/vanished.ts";
import { RedisSchedules } from "./schedules.ts";
import { streamsOf } from "./streams.ts";

const DEFAULT_HEARTBEAT_TIMEOUT_MS = 120_000;
/** The name that clients, who claim nothing, appear under. */
const CLIENT_NAME = "taskexe-client";

export class RedisBroker implements Broker {
  readonly kind = "redis";
  readonly isRemote = true;
  readonly url: string;
  readonly leaseMs: number;
  readonly #options: BrokerOptions;
  readonly #connections: RedisConnections;
  readonly #wire: WriteCoalescer;
  readonly #intake: RedisClaims;
  readonly #completion: RedisCompletion;
  readonly #leases: RedisLeases;
  readonly #handBack: RedisHandBack;
  readonly #fleet: RedisFleet;
  readonly #queues: RedisEnqueue;
  readonly #register: RedisQueueRegister;
  readonly #upkeep: RedisQueueUpkeep;
  readonly #keeping: KeepingRules;
  readonly #records: RedisRecords;
  readonly #removal: RedisRemoval;
  readonly #cancels: RedisCancels;
  readonly #pauses: RedisPauses;
  readonly #listing: RedisListing;
  readonly #logs: RedisLogs;
  readonly #byHand: RedisRetryAndPurge;
  readonly #elsewhere: RedisElsewhere;
  readonly #vanished: RedisVanished;
  readonly #schedules: RedisSchedules;
  readonly #name: string;
  readonly #clock: RedisClock;
  readonly #duties: RedisDuties;
  readonly #server: RedisServerFacts;

  /** @throws BrokerUrlError when the address cannot be read. */
  constructor(url: string, options: BrokerOptions) {
    const address = parseRedisAddress(url);
    this.url = address.display;
    this.leaseMs = options.leaseMs;
    this.#options = options;
    this.#name = options.executor ?? CLIENT_NAME;
    const priorities = options.priorities ?? DEFAULT_PRIORITIES;
    const streams = streamsOf(options.queues, priorities);
    const now = (): number => this.now();
    const heartbeatTimeoutMs = options.heartbeatTimeoutMs ?? DEFAULT_HEARTBEAT_TIMEOUT_MS;
    this.#connections = new RedisConnections(address.options, this.#name);
    this.#clock = new RedisClock(this.#connections);
    this.#server = new RedisServerFacts(this.#connections, this.url);
    const wire = new WriteCoalescer(this.#connections);
    this.#wire = wire;
    this.#pauses = new RedisPauses(this.#connections);
    const { leaseMs } = options;
    const doubt = new Doubt(leaseMs);
    const common = { connections: this.#connections, wire, executor: this.#name, doubt };
    this.#keeping = keepingRules(options);
    this.#register = new RedisQueueRegister(this.#connections);
    const register = () => this.#register.serve(options.queues, this.#keeping);
    this.#intake = new RedisClaims(this.#connections, wire, this.#name, streams, this.#pauses, doubt, register);
    this.#completion = new RedisCompletion({ ...common, leaseMs, now });
    this.#duties = new RedisDuties(this.#connections, options.executor !== null, () => this.#intake.renewGroups());
    this.#fleet = new RedisFleet(this.#connections, this.#name, heartbeatTimeoutMs, now);
    this.#handBack = new RedisHandBack(this.#connections, this.#name);
    this.#leases = new RedisLeases({
      connections: this.#connections,
      executor: this.#name,
      leaseMs,
      streams,
      intake: this.#intake,
      fleet: this.#fleet,
    });
    this.#queues = new RedisEnqueue(this.#connections, options.queues, priorities);
    const starts = new TaskStarts((name) => this.#fleet.lastBeat(name), now);
    this.#records = new RedisRecords(this.#connections, starts);
    this.#removal = new RedisRemoval(this.#connections, this.#name, this.#keeping);
    this.#cancels = new RedisCancels(this.#connections, now, doubt);
    this.#logs = new RedisLogs(this.#connections, options.logBytes ?? DEFAULT_LOG_BYTES);
    this.#listing = new RedisListing(this.#connections, this.#records, starts, options.queues, priorities);
    this.#elsewhere = new RedisElsewhere(this.#connections, this.#fleet);
    this.#vanished = new RedisVanished(this.#connections, this.#elsewhere, now);
    this.#byHand = new RedisRetryAndPurge(this.#connections, options.queues);
    this.#schedules = new RedisSchedules(this.#connections, priorities, now);
    this.#upkeep = new RedisQueueUpkeep({
      connections: this.#connections,
      register: this.#register,
      removal: this.#removal,
      forgetMarks: (queues) => this.#cancels.forgetOld(queues),
      schedules: () => this.#schedules.every((call) => call()),
      served: options.queues,
      rules: this.#keeping,
      heartbeatTimeoutMs,
      now,
      unusedMs: options.queueUnusedMs,
    });
  }

  connection(): ConnectionState {
    return this.#connections.state();
  }

  onConnectionChange(listener: (state: ConnectionState) => void): () => void {
    return this.#connections.onChange(listener);
  }

  now(): number {
    return this.#clock.now();
  }

  /** @throws (rejects) BrokerUnfitError where the server is too old. */
  async open(signal: AbortSignal): Promise<void> {
    const claims = this.#options.executor !== null;
    await this.#duties.untilDone("open", () => this.#open(claims, signal), signal);
  }

  async #open(claims: boolean, signal: AbortSignal): Promise<void> {
    await this.#connections.open(claims, signal);
    await this.#server.loaded(signal);
    await this.#clock.read();
    if (!claims) return;
    await this.#intake.createGroups();
    await this.#cancels.subscribe();
  }

  async close(): Promise<void> {
    this.#connections.close();
  }

  async enqueue(requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]> {
    if (this.#clock.hasStepped) await this.#clock.read();
    const due = requests.filter(({ queue }) => this.#register.isDue(queue));
    if (due.length > 0) await this.#register.use(due.map(({ queue }) => queue));
    return this.#queues.enqueue(requests);
  }

  async claim(max: number, signal: AbortSignal): Promise<Delivery[]> {
    this.#mustBeExecutor();
    try {
      return await this.#duties.do("claim", async () => {
        const taken = await this.#intake.claim(max, signal);
        if (this.#intake.hasTooMuch) await this.#putBack(max);
        return taken;
      });
    } catch (error) {
      await this.#giveUp(this.#intake.takeAll());
      throw error;
    }
  }

  async recover(known: ReadonlySet<string>, max: number): Promise<Delivery[]> {
    this.#mustBeExecutor();
    this.#connections.mustHaveLines();
    // Pending under our own name as well, and found with the rest.
    this.#intake.takeAll();
    return this.#duties.do("recover", async () => this.#withoutPaused(await this.#leases.recover(known, max)));
  }

  renew(deliveries: readonly Delivery[]): Promise<Delivery[]> {
    return this.#duties.do("renew", () => this.#leases.renew(deliveries));
  }

  written(): Promise<void> {
    return this.#wire.written();
  }

  complete(outcomes: readonly Outcome[]): Promise<CompletionResult[]> {
    return this.#duties.do("complete", async () => {
      if (this.#clock.hasStepped) await this.#clock.read();
      return this.#completion.complete(outcomes);
    });
  }

  release(deliveries: readonly Delivery[]): Promise<void> {
    return this.#duties.do("release", () => this.#handBack.release(deliveries));
  }

  async reclaim(max: number): Promise<Delivery[]> {
    this.#mustBeExecutor();
    return this.#duties.do("reclaim", async () => {
      await this.#giveUp(this.#intake.takeOld());
      return this.#withoutPaused(await this.#leases.reclaim(max));
    });
  }

  promote(max: number): ReturnType<Broker["promote"]> {
    return this.#duties.do("promote", async () => {
      if (this.#clock.hasStepped) await this.#clock.read();
      const unparked = await this.#pauses.unparkResumed();
      const { promoted, nextInMs, refused } = await this.#queues.promote(max);
      const left = [...unparked, ...refused];
      return left.length === 0 ? { promoted, nextInMs } : { promoted, nextInMs, refused: left };
    });
  }

  cancel(ids: readonly string[]): Promise<CancelReceipt[]> {
    return this.#cancels.cancel(ids, "cancelled by a client");
  }

  cancelled(ids: readonly string[]): Promise<string[]> {
    return this.#duties.do("cancels", () => this.#cancels.flagged(ids));
  }

  onCancel(listener: (ids: readonly string[]) => void): () => void {
    return this.#cancels.onCancel(listener);
  }

  writeProgress(writes: readonly ProgressWrite[]): Promise<void> {
    return this.#duties.do("progress", () => this.#records.writeProgress(writes, this.#name));
  }

  async record(id: string): Promise<TaskRecord | null> {
    const record = await this.#records.get(id);
    return record?.state === "queued" && (await this.#elsewhere.hasEnded(id)) ? this.#records.get(id) : record;
  }

  counts(queues?: readonly string[]): Promise<QueueCounts[]> {
    return this.#duties.do("counts", () => this.#queues.counts(queues));
  }

  otherQueues(max: number): Promise<OtherQueues> {
    return this.#duties.do("counts", () => this.#register.others(this.#options.queues, max));
  }

  backlog(): Promise<Backlog> {
    return this.#duties.do("counts", () => this.#queues.backlog());
  }

  list(query: ListQuery): Promise<ListPage> {
    return listPlaces.take(() => this.#listing.list(query));
  }

  retry(ids: readonly string[]): Promise<RetryReceipt[]> {
    return this.#byHand.retry(ids);
  }

  purge(query: PurgeQuery, max: number): Promise<number> {
    return this.#byHand.purge(query, max);
  }

  pause(target: PauseTarget): Promise<void> {
    return this.#pauses.pause(target);
  }

  resume(target: PauseTarget): Promise<void> {
    return this.#pauses.resume(target);
  }

  paused(): Promise<PauseTarget[]> {
    return this.#duties.do("counts", () => this.#pauses.list());
  }

  isTypePaused(type: string): boolean {
    return this.#pauses.isTypePaused(type);
  }

  listSchedules(query: ScheduleListQuery): Promise<ScheduleList> {
    return this.#duties.do("schedules", () => listPlaces.take(() => this.#schedules.listed(query)));
  }

  everySchedule(): AsyncGenerator<readonly StoredSchedule[]> {
    return this.#schedules.every((ask) => this.#duties.do("schedules", ask));
  }

  countSchedules(): Promise<number> {
    return this.#schedules.count();
  }

  takeSchedules(since: number | null, max: number): Promise<TakenSchedules> {
    return this.#duties.do("schedules", async () => {
      if (this.#clock.hasStepped) await this.#clock.read();
      return this.#schedules.take(since, max);
    });
  }

  postponeSchedule(name: string, takenUntil: number, at: number): Promise<void> {
    return this.#duties.do("schedules", () => this.#schedules.postpone(name, takenUntil, at));
  }

  async schedule(name: string): Promise<StoredSchedule | null> {
    if (this.#clock.hasStepped) await this.#clock.read();
    return this.#schedules.get(name);
  }

  changeSchedule(change: ScheduleChange): Promise<ScheduleChanged> {
    return this.#duties.try(async () => {
      const { definition, enqueue } = change;
      const queues = definition === undefined ? [] : queuesOf(definition);
      await this.#register.use(enqueue === undefined ? queues : [...queues, enqueue.request.queue]);
      return this.#schedules.change(change);
    });
  }

  removeSchedule(name: string): Promise<boolean> {
    return this.#schedules.remove(name);
  }

  states(ids: readonly string[]): Promise<(TaskState | null)[]> {
    return this.#duties.do("schedules", () => this.#schedules.states(ids));
  }

  appendLogs(logs: readonly TaskLines[]): Promise<void> {
    return this.#duties.do("task logs", () => this.#logs.append(logs));
  }

  logs(id: string): Promise<LogLine[]> {
    return this.#logs.all(id);
  }

  logsAfter(id: string, after: number): Promise<LogTail> {
    return this.#logs.after(id, after);
  }

  glance(asked: readonly { readonly id: string; readonly seen: string | null }[]) {
    return glance(this.#connections, asked);
  }

  beat(json: string, isDue = true, kept = json): Promise<void> {
    return this.#duties.do("beat", async () => {
      await this.#clock.read();
      if (isDue) await this.#server.refresh();
      await this.#register.goOnServing(this.#options.queues, this.#keeping);
      await this.#fleet.beat(json, isDue, kept);
    });
  }

  leave(json: string): Promise<void> {
    return this.#duties.do("leave", () => this.#fleet.leave(json));
  }

  fleet(): Promise<FleetMember[]> {
    return this.#duties.do("fleet", () => this.#fleet.members());
  }

  member(name: string): Promise<FleetMember | null> {
    return this.#duties.do("fleet", () => this.#fleet.member(name));
  }

  lock(): Promise<boolean> {
    return this.#duties.do("clean-up", () => this.#fleet.lock());
  }

  unlock(): Promise<void> {
    return this.#duties.do("clean-up", () => this.#fleet.unlock());
  }

  clean(): Promise<CleanReport> {
    return this.#duties.do("clean-up", async () => {
      if (this.#clock.hasStepped) await this.#clock.read();
      const removed = await this.#fleet.expel();
      const { queues } = this.#options;
      await this.#cancels.forgetOld(queues);
      const { priorities = DEFAULT_PRIORITIES, heartbeatTimeoutMs = DEFAULT_HEARTBEAT_TIMEOUT_MS } = this.#options;
      await dropConsumers(this.#connections, streamsOf(queues, priorities), heartbeatTimeoutMs);
      const purged = await removeSome(() => this.#removal.step(queues));
      const others = await this.#upkeep.tend();
      const { dropped } = others;
      return { removed, purged: purged + others.purged, dropped, vanished: await this.#vanished.look() };
    });
  }

  removeEnded(): Promise<Removal> {
    return this.#duties.do("removal", () => this.#removal.step(this.#options.queues));
  }

  /** After a claim of `max` that brought too much: to its place; what has none any more is held for the next claim. */
  async #putBack(max: number): Promise<void> {
    const { surplus, unwanted } = this.#intake.takeTooMuch();
    this.#intake.hold(await this.#handBack.place(surplus, max));
    await this.#giveUp(unwanted);
  }

  async #giveUp(unwanted: readonly RedisDelivery[]): Promise<void> {
    // Away just now: the lease of what could not be handed back runs out by itself.
    if (unwanted.length > 0 && this.connection().state !== "away") await this.#handBack.release(unwanted);
  }

  /** What came back by itself to a queue that is paused waits there. */
  async #withoutPaused(deliveries: readonly Delivery[]): Promise<Delivery[]> {
    try {
      // Asked now: an executor that has just started has not claimed yet, and knows of no pause.
      if (deliveries.length > 0) await this.#pauses.refresh();
    } catch (error) {
      // Left pending, each further look at them would count as one more death over them.
      await this.#handBack.release(deliveries);
      throw error;
    }
    const [paused, free] = [true, false].map((which) =>
      deliveries.filter(({ queue }) => this.#pauses.isQueuePaused(queue) === which),
    );
    if (paused && paused.length > 0) await this.#handBack.release(paused);
    return free ?? [];
  }

  #mustBeExecutor(): void {
    if (this.#options.executor === null) throw new TypeError("this broker was opened for a client: it cannot claim");
  }
}
