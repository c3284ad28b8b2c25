/**
 * The Redis broker: streams and one consumer group, with the names that RagFlow's producers and admin pages know.
 * This file says what each call of executors and producers asks of which part; redis-administration.ts has those of
 * people, and the parts are put together in parts.ts.
 */
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
import type { TaskLines } from "../contract/admin.ts";
import type { OtherPrograms } from "../contract/consumer.ts";
import type { MoveIn } from "../contract/sources.ts";
import { listPlaces } from "../list-places.ts";
import { REASON } from "./cancels.ts";
import type { RedisDelivery } from "./claims/delivery.ts";
import { withoutPaused } from "./claims/without-paused.ts";
import { cleanUp, removeEnded } from "./clean-up.ts";
import { RedisParts } from "./parts.ts";
import { RedisAdministration } from "./redis-administration.ts";
import { RedisAudit } from "./scripts/audit.ts";
import { RedisLocks } from "./scripts/locks.ts";

export class RedisBroker extends RedisAdministration implements Broker {
  readonly kind = "redis";
  readonly isRemote = true;
  readonly url: string;
  readonly leaseMs: number;
  readonly locks: RedisLocks;
  readonly audit: RedisAudit;
  readonly others: OtherPrograms;

  /** @throws BrokerUrlError when the address cannot be read. */
  constructor(url: string, options: BrokerOptions) {
    super(new RedisParts(url, options), options);
    this.url = this.parts.url;
    this.leaseMs = options.leaseMs;
    this.others = this.parts.others;
    this.locks = new RedisLocks(this.parts.connections);
    this.audit = new RedisAudit(this.parts.connections, options.auditLimits);
  }

  connection(): ConnectionState {
    return this.parts.connections.state();
  }

  onConnectionChange(listener: (state: ConnectionState) => void): () => void {
    return this.parts.connections.onChange(listener);
  }

  readonly now = (): number => this.parts.clock.now();

  /** @throws (rejects) BrokerUnfitError where the server is too old. */
  open(signal: AbortSignal): Promise<void> {
    return this.parts.duties.untilDone("open", () => this.#open(signal), signal);
  }

  async #open(signal: AbortSignal): Promise<void> {
    const claims = this.options.executor !== null;
    await this.parts.connections.open(claims, signal);
    await this.parts.server.loaded(signal);
    await this.parts.clock.read();
    if (!claims) return;
    await this.parts.intake.createGroups();
    await this.parts.cancels.subscribe();
  }

  async close(): Promise<void> {
    this.parts.connections.close();
  }

  async enqueue(requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]> {
    if (this.parts.clock.hasStepped) await this.parts.clock.read();
    const due = requests.filter(({ queue }) => this.parts.register.isDue(queue));
    if (due.length > 0) await this.parts.register.use(due.map(({ queue }) => queue));
    return this.parts.queues.enqueue(requests);
  }

  async claim(max: number, signal: AbortSignal): Promise<Delivery[]> {
    this.#mustBeExecutor();
    try {
      return await this.parts.duties.do("claim", async () => {
        const taken = await this.parts.intake.claim(max, signal);
        if (this.parts.intake.hasTooMuch) await this.#putBack(max);
        return taken;
      });
    } catch (error) {
      await this.#giveUp(this.parts.intake.takeAll());
      throw error;
    }
  }

  async recover(known: ReadonlySet<string>, max: number): Promise<Delivery[]> {
    this.#mustBeExecutor();
    this.parts.connections.mustHaveLines();
    // Pending under our own name as well, and found with the rest.
    this.parts.intake.takeAll();
    return this.parts.duties.do("recover", async () =>
      withoutPaused(this.parts, await this.parts.leases.recover(known, max)),
    );
  }

  renew(deliveries: readonly Delivery[]): Promise<Delivery[]> {
    return this.parts.duties.do("renew", () => this.parts.leases.renew(deliveries));
  }

  written(): Promise<void> {
    return this.parts.wire.written();
  }

  complete(outcomes: readonly Outcome[]): Promise<CompletionResult[]> {
    return this.parts.duties.do("complete", async () => {
      if (this.parts.clock.hasStepped) await this.parts.clock.read();
      return this.parts.completion.complete(outcomes);
    });
  }

  release(deliveries: readonly Delivery[]): Promise<void> {
    return this.parts.duties.do("release", () => this.parts.handBack.release(deliveries));
  }

  async reclaim(max: number): Promise<Delivery[]> {
    this.#mustBeExecutor();
    return this.parts.duties.do("reclaim", async () => {
      await this.#giveUp(this.parts.intake.takeOld());
      return withoutPaused(this.parts, await this.parts.leases.reclaim(max));
    });
  }

  promote(max: number): ReturnType<Broker["promote"]> {
    return this.parts.duties.do("promote", async () => {
      if (this.parts.clock.hasStepped) await this.parts.clock.read();
      const unparked = await this.parts.pauses.unparkResumed();
      const { promoted, nextInMs, refused } = await this.parts.queues.promote(max);
      const left = [...unparked, ...refused];
      return left.length === 0 ? { promoted, nextInMs } : { promoted, nextInMs, refused: left };
    });
  }

  cancel(ids: readonly string[]): Promise<CancelReceipt[]> {
    return this.parts.cancels.cancel(ids, REASON);
  }

  cancelled(ids: readonly string[]): Promise<string[]> {
    return this.parts.duties.do("cancels", () => this.parts.cancels.flagged(ids));
  }

  onCancel(listener: (ids: readonly string[]) => void): () => void {
    return this.parts.cancels.onCancel(listener);
  }

  writeProgress(writes: readonly ProgressWrite[]): Promise<void> {
    return this.parts.duties.do("progress", () => this.parts.records.writeProgress(writes, this.parts.name));
  }

  record(id: string): Promise<TaskRecord | null> {
    return this.parts.record(id);
  }

  readonly lookFor = (id: string) => listPlaces.take(() => this.parts.finder.record(id));

  backlog(): Promise<Backlog> {
    return this.parts.duties.do("counts", () => this.parts.queues.backlog());
  }

  isTypePaused(type: string): boolean {
    return this.parts.pauses.isTypePaused(type);
  }

  appendLogs(logs: readonly TaskLines[]): Promise<void> {
    return this.parts.duties.do("task logs", () => this.parts.logs.append(logs));
  }

  readonly moveIn: MoveIn = (source, max) => this.parts.moveIn(source, max);

  readonly tellOnCancelled = (told: readonly OnCancelled[]) => this.parts.fleet.tellOnCancelled(told);

  beat(json: string, isDue = true, kept = json): Promise<string | null> {
    return this.parts.duties.do("beat", async () => {
      await this.parts.clock.read();
      if (isDue) await this.parts.server.refresh();
      await this.parts.register.goOnServing(this.options.queues, this.parts.keeping);
      return this.parts.fleet.beat(json, isDue, kept);
    });
  }

  order(name: string, json: string): Promise<void> {
    return this.parts.fleet.order(name, json);
  }

  onOrder(listener: () => void): () => void {
    return this.parts.cancels.onOrder((name) => {
      if (name === this.options.executor) listener();
    });
  }

  leave(json: string): Promise<void> {
    return this.parts.duties.do("leave", () => this.parts.fleet.leave(json));
  }

  fleet(): Promise<FleetMember[]> {
    return this.parts.duties.do("fleet", () => this.parts.fleet.members());
  }

  member(name: string): Promise<FleetMember | null> {
    return this.parts.duties.do("fleet", () => this.parts.fleet.member(name));
  }

  readonly lock = () => this.parts.duties.do("clean-up", () => this.parts.fleet.lock());

  readonly unlock = () => this.parts.duties.do("clean-up", () => this.parts.fleet.unlock());

  clean(): Promise<CleanReport> {
    return this.parts.duties.do("clean-up", () => cleanUp(this.parts, this.options.queues));
  }

  removeEnded(): Promise<Removal> {
    return this.parts.duties.do("removal", () => removeEnded(this.parts, this.options.queues));
  }

  /** After a claim of `max` that brought too much: to its place; what has none any more is held for the next claim. */
  async #putBack(max: number): Promise<void> {
    const { surplus, unwanted } = this.parts.intake.takeTooMuch();
    this.parts.intake.hold(await this.parts.handBack.place(surplus, max));
    await this.#giveUp(unwanted);
  }

  async #giveUp(unwanted: readonly RedisDelivery[]): Promise<void> {
    // Away just now: the lease of what could not be handed back runs out by itself.
    if (unwanted.length > 0 && this.connection().state !== "away") await this.parts.handBack.release(unwanted);
  }

  #mustBeExecutor(): void {
    if (this.options.executor === null) throw new TypeError("this broker was opened for a client: it cannot claim");
  }
}
