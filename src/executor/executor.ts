/**
 * One executor: its parts in one tree of nurseries. The services (heartbeat, leases, completion, cancels, progress,
 * sweeper) live in the outer nursery and end last; the attempts live in the inner one; the claims in a scope of their
 * own, which a drain closes first. A part that fails makes the executor drain; its error leaves as one NurseryError.
 */
import { getLogger } from "@logtape/logtape";
import { ifAvailable, untilAvailable } from "../broker/availability.ts";
import type { Broker, Delivery } from "../broker/broker.ts";
import {
  type CancelScope,
  CapacityLimiter,
  Latch,
  moveOnAfter,
  type Nursery,
  openRoot,
  snapshotTree,
  type Task,
  type TreeNode,
  withNursery,
  withScope,
} from "../concurrency/index.ts";
import type { HandlerRegistry } from "../handlers/registry.ts";
import { runtime } from "../runtime/index.ts";
import { runAttempt } from "./attempt/attempt.ts";
import { CancelWatch } from "./attempt/cancel-watch.ts";
import { LeaseCheck } from "./attempt/lease-check.ts";
import { AttemptPolicy } from "./attempt/policy.ts";
import { RunningTasks } from "./attempt/running.ts";
import { Intake } from "./intake/intake.ts";
import { SharedTurn } from "./intake/shared-turn.ts";
import { Abandonment } from "./leaving/abandonment.ts";
import { Drain, finishOrHandBack } from "./leaving/drain.ts";
import { failureOf, oneThenTheOther, serveUntilDrained } from "./leaving/service-failure.ts";
import { DEFAULT_ABANDONED_LIMIT, DEFAULT_HEARTBEAT_MS, type ExecutorOptions } from "./options.ts";
import { Completion } from "./reports/completion.ts";
import { writeProgress } from "./reports/progress-writer.ts";
import { TaskLogs } from "./reports/task-logs.ts";
import { logConnection } from "./status/connection-log.ts";
import { outsideAddress } from "./status/ip-address.ts";
import type { ExecutorState, ExecutorStatus, Readiness, StatusSource } from "./status/status.ts";
import { StatusView } from "./status/status-view.ts";
import { Tally } from "./status/tally.ts";
import { beatJson, type HeartbeatParts } from "./upkeep/beat-json.ts";
import { collectNowAndThen } from "./upkeep/garbage-collection.ts";
import { beat, identityOf, keepBeating } from "./upkeep/heartbeat.ts";
import { keepLeases } from "./upkeep/leases.ts";
import { NameConflict } from "./upkeep/name-conflict.ts";
import { Promoter } from "./upkeep/promoter.ts";
import { ScheduleFiring } from "./upkeep/schedules.ts";
import { cleanUp, reclaimExpired, removeEnded } from "./upkeep/sweeper.ts";

const logger = getLogger(["taskexe", "executor"]);

/** How many outcomes may wait for the broker before no more is claimed: this often the concurrency, at least 1 000. */
const OUTCOMES_PER_SLOT = 4;
const LEAST_OUTCOMES = 1_000;
/** How long the last outcomes and the last heartbeat are waited for, in ms. */
const LAST_WORDS_MS = 5_000;
/** What an executor is, by how it stands with its broker. */
const STATES = { connected: "running", away: "disconnected", refusing: "refused" } as const;

export class Executor implements StatusSource {
  readonly #broker: Broker;
  readonly #handlers: HandlerRegistry;
  readonly #options: ExecutorOptions;
  readonly #running = new RunningTasks();
  readonly #tally = new Tally();
  readonly #drain = new Drain();
  readonly #turn = new SharedTurn();
  readonly #promoter: Promoter;
  readonly #completion: Completion;
  readonly #cancels: CancelWatch;
  readonly #leases: LeaseCheck;
  readonly #logs: TaskLogs;
  readonly #view: StatusView;
  readonly #abandonment: Abandonment;
  readonly #nameConflict: NameConflict;
  readonly #beatTurn = new CapacityLimiter(1);
  readonly #bootAt = Date.now();
  #intake: Intake | null = null;
  #root: CancelScope | null = null;
  #open = false;
  /** Set whenever an attempt ends, for the drain. */
  #ended = new Latch();
  #handedBack: Delivery[] = [];
  /** Why the executor had to leave. */
  #fatal: Error | null = null;

  constructor(parts: {
    readonly broker: Broker;
    readonly handlers: HandlerRegistry;
    readonly options: ExecutorOptions;
  }) {
    this.#broker = parts.broker;
    this.#handlers = parts.handlers;
    this.#options = parts.options;
    const limit = Math.max(LEAST_OUTCOMES, parts.options.concurrency * OUTCOMES_PER_SLOT);
    this.#promoter = new Promoter(this.#broker);
    const retriesIn = (delayMs: number): void => this.#promoter.expect(delayMs);
    this.#logs = new TaskLogs(this.#broker);
    this.#completion = new Completion(
      { broker: this.#broker, tally: this.#tally, turn: this.#turn, logs: this.#logs, retriesIn },
      limit,
    );
    this.#cancels = new CancelWatch(this.#broker, this.#running);
    this.#leases = new LeaseCheck(this.#broker, parts.options.leaseMs);
    const { concurrency: slots, abandonedLimit = DEFAULT_ABANDONED_LIMIT } = parts.options;
    const limits = { count: abandonedLimit, slots };
    this.#abandonment = new Abandonment(this.#running, limits, (error) => this.#leaveFor(error));
    this.#nameConflict = new NameConflict(this.#broker, identityOf(this.#heartbeatParts()), (error) =>
      this.#leaveFor(error),
    );
    this.#view = new StatusView({
      broker: this.#broker,
      running: this.#running,
      tally: this.#tally,
      options: this.#options,
      bootAt: this.#bootAt,
    });
  }

  /** Asks the executor to leave; `run` returns once it has. Asking again changes nothing. */
  drain(reason: string): void {
    if (!this.#drain.isRequested) logger.info("Draining: {reason}", { reason });
    this.#drain.request(reason);
  }

  /**
   * Runs until it is drained.
   *
   * @throws NurseryError when a part of it fails; after the drain, TooManyAbandonedError where tasks that ignore their
   * cancel were the cause, NameTakenError where another executor has the same name.
   */
  async run(parent: CancelScope): Promise<void> {
    this.#root = parent;
    const logNoMore = logConnection(this.#broker);
    try {
      await withNursery(parent, (services) => this.#serve(services), { name: "executor" });
    } finally {
      logNoMore();
      await this.#broker.close();
    }
    if (this.#fatal !== null) throw this.#fatal;
  }

  look(): Promise<void> {
    return this.#view.look();
  }

  status(): ExecutorStatus {
    return this.#view.status(this.#state());
  }

  /** Which tasks run now, and which ended last: one of them may have let go of an error. */
  names(): ReturnType<RunningTasks["names"]> {
    return this.#running.names();
  }

  readiness(): Readiness {
    const idleMs = this.#intake?.idleMs() ?? 0;
    return this.#view.readiness(this.#state(), idleMs, this.#abandonment.isFull, this.#completion.blockage());
  }

  tree(): TreeNode {
    return snapshotTree(this.#root ?? openRoot());
  }

  #state(): ExecutorState {
    if (this.#drain.isRequested) return "draining";
    if (!this.#open) return "starting";
    return STATES[this.#broker.connection().state];
  }

  async #serve(services: Nursery): Promise<void> {
    if (!(await this.#connect(services.scope))) return;
    const heartbeat = this.#heartbeatParts();
    this.#startServices(services, heartbeat);
    await oneThenTheOther(
      () => this.#work(services),
      () => this.#sayLastWords(services.scope, heartbeat),
    );
    services.scope.cancel("drained");
  }

  async #sayLastWords(scope: CancelScope, heartbeat: HeartbeatParts): Promise<void> {
    // Where an attempt failed by a mistake of ours, the others were cancelled, and nobody has handed them back.
    await this.#handBack(scope);
    await moveOnAfter(scope, LAST_WORDS_MS, ({ signal }) => this.#completion.drained(signal));
    if (this.#completion.waiting > 0) {
      logger.error("{count} outcome(s) could not be recorded: those tasks will run again elsewhere", {
        count: this.#completion.waiting,
      });
    }
    await moveOnAfter(scope, LAST_WORDS_MS, () => this.#logs.flush());
    await moveOnAfter(scope, LAST_WORDS_MS, ({ signal }) => ifAvailable(() => this.#leave(heartbeat, signal)));
  }

  /** Out of the fleet. The turn is not given back: a beat that came later would register us again. */
  async #leave(heartbeat: HeartbeatParts, signal: AbortSignal): Promise<void> {
    await this.#beatTurn.acquire(signal);
    await this.#nameConflict.leave((await beatJson(heartbeat)).small);
  }

  /** Connects and beats for the first time. False: a drain was asked for before that. */
  async #connect(scope: CancelScope): Promise<boolean> {
    await withScope(scope, {}, async (connecting) => {
      await withNursery(connecting, async (nursery) => {
        nursery.startSoon(
          async (task) => {
            await this.#drain.wait(task.signal);
            connecting.cancel("drain");
          },
          { name: "drain watch" },
        );
        const { signal } = nursery.scope;
        await untilAvailable(() => this.#broker.open(signal), signal);
        await untilAvailable(() => this.#nameConflict.meet(), signal);
        await untilAvailable(() => beat(this.#heartbeatParts()), signal);
        this.#open = true;
        nursery.scope.cancel("connected");
      });
    });
    return this.#open;
  }

  #startServices(services: Nursery, heartbeat: HeartbeatParts): void {
    const everyMs = this.#options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS;
    const { leaseMs } = this.#options;
    const broker = this.#broker;
    const drain = (reason: string): void => this.drain(reason);
    const startIn = (name: string, run: (task: Task) => Promise<unknown>): void =>
      services.startSoon((task: Task) => serveUntilDrained(run, task, drain), { name });
    const start = (name: string, run: (signal: AbortSignal) => Promise<unknown>): void =>
      startIn(name, (task) => run(task.signal));
    const forget = (delivery: Delivery): void => this.#forget(delivery);
    const isOurs = (): Promise<boolean> => this.#nameConflict.isOurs();
    start("heartbeat", (signal) => keepBeating(heartbeat, everyMs, isOurs, this.#beatTurn, signal));
    start("abandonment", (signal) => this.#abandonment.run(signal));
    start("leases", (signal) => keepLeases(broker, this.#running, () => this.#held(), forget, leaseMs, signal));
    startIn("completion", (task) => this.#completion.run(task.scope));
    start("progress", (signal) => writeProgress(broker, this.#running, signal));
    start("task logs", (signal) => this.#logs.run(signal));
    start("cancel answers", (signal) => this.#cancels.answer(signal));
    start("lease answers", (signal) => this.#leases.answer(signal));
    start("cancel watch", (signal) => this.#cancels.watch(signal));
    startIn("promote", (task) => this.#promoter.run(task.scope));
    start("clean-up", (signal) => cleanUp(broker, (vanished) => this.#view.note(vanished), signal));
    start("removal", (signal) => removeEnded(broker, signal));
    const firing = new ScheduleFiring(broker, (type) => this.#handlers.get(type));
    start("schedules", (signal) => firing.run(signal));
    const collection = {
      attempts: () => this.#tally.attempts,
      rssBytes: () => runtime.memory().rssBytes,
      collect: () => runtime.collectGarbage(),
    };
    start("whole collections", (signal) => collectNowAndThen(collection, signal));
    start("status", (signal) => this.#view.refresh(signal));
  }

  /** Claims and runs until the drain is over. */
  async #work(services: Nursery): Promise<void> {
    await withNursery(
      services.scope,
      async (attempts) => {
        const intake = this.#makeIntake(attempts);
        this.#intake = intake;
        const failure = await failureOf(() => this.#claim(intake, attempts.scope), "claims", attempts.scope);
        if (failure !== null) this.drain("the claims failed");
        this.#handedBack.push(...intake.takeReady());
        await this.#handBack(attempts.scope);
        await finishOrHandBack(attempts.scope, this.#running, (signal) => this.#quiet(signal), this.#options.graceMs);
        await this.#handBack(attempts.scope);
        if (failure !== null) throw failure.error;
      },
      { name: "attempts", graceMs: this.#options.graceMs },
    );
  }

  /** Claims and takes over until a drain is asked for. */
  async #claim(intake: Intake, scope: CancelScope): Promise<void> {
    await withScope(scope, {}, (claims) =>
      withNursery(
        claims,
        async (loops) => {
          intake.run(loops);
          loops.startSoon(
            (task) => reclaimExpired(this.#broker, (look, signal) => intake.takeOrphans(look, signal), task.signal),
            { name: "reclaim" },
          );
          await this.#drain.wait(loops.scope.signal);
          claims.cancel("drain");
        },
        { name: "claims" },
      ),
    );
  }

  #makeIntake(attempts: Nursery): Intake {
    const policy = new AttemptPolicy(this.#options);
    const parts = {
      broker: this.#broker,
      handlers: this.#handlers,
      running: this.#running,
      cancels: this.#cancels,
      leases: this.#leases,
      policy,
      logs: this.#logs,
      graceMs: this.#options.graceMs,
      ended: (outcome: Parameters<Completion["add"]>[0]) => this.#completion.add(outcome),
      handBack: (delivery: Delivery) => this.#handedBack.push(delivery),
      lost: () => this.#tally.countLost(),
      slotFreed: () => {
        this.#ended.set();
        this.#intake?.slotFreed();
      },
      abandoned: () => this.#abandonment.counted(),
    };
    const start = (delivery: Delivery): void => {
      this.#running.expect();
      attempts.startSoon((task: Task) => runAttempt(delivery, task, parts), { name: "attempt" });
    };
    const { concurrency } = this.#options;
    const around = { broker: this.#broker, running: this.#running, completion: this.#completion, turn: this.#turn };
    return new Intake({ ...around, recoverAtOnce: !this.#nameConflict.isShared, start }, concurrency);
  }

  /** Drains, and `run` throws the error when that is over. */
  #leaveFor(error: Error): void {
    this.#fatal ??= error;
    this.drain(error.message);
  }

  /** Waits until no attempt runs. */
  async #quiet(signal: AbortSignal): Promise<void> {
    while (this.#running.size > 0) {
      if (this.#ended.isSet) this.#ended = new Latch();
      await this.#ended.wait(signal);
    }
  }

  async #handBack(scope: CancelScope): Promise<void> {
    const deliveries = this.#handedBack.splice(0);
    if (deliveries.length === 0) return;
    const handed = await moveOnAfter(scope, LAST_WORDS_MS, (inner) =>
      untilAvailable(() => this.#broker.release(deliveries), inner.signal),
    );
    if (handed.cancelled) {
      logger.warn("{count} task(s) could not be handed back: others take them when the lease is over", {
        count: deliveries.length,
      });
      return;
    }
    logger.info("Handed {count} task(s) back", { count: deliveries.length });
  }

  #held(): readonly Delivery[] {
    return [...(this.#intake?.ready() ?? []), ...this.#completion.deliveries(), ...this.#handedBack];
  }

  /** The lease of a task that is not running was lost: it is not started; a completion is refused by the broker. */
  #forget(delivery: Delivery): void {
    if (!this.#intake?.drop(delivery)) return;
    logger.warn("The lease of a task that waited for its slot was lost to another executor; it is not run here");
    this.#tally.countLost();
  }

  #heartbeatParts(): HeartbeatParts {
    const { name, version, concurrency, leaseMs, ipAddress, queues } = this.#options;
    return {
      broker: this.#broker,
      running: this.#running,
      tally: this.#tally,
      name,
      version,
      concurrency,
      leaseMs,
      serves: queues === undefined ? null : { queues, types: () => this.#handlers.types() },
      bootAt: this.#bootAt,
      ipAddress: ipAddress ?? outsideAddress(),
    };
  }
}
