/**
 * One executor: its parts in one tree of nurseries. What it does, in this order:
 *
 * 1. It connects, looks whether another process has its name, and beats for the first time.
 * 2. It starts its services (heartbeat, leases, completion, cancels, progress, sweeper, schedules, status): they
 *    live in the outer nursery and end last. One that fails makes the executor drain; its error leaves as one
 *    NurseryError.
 * 3. It claims, in a scope of its own that a drain closes first, and runs attempts, in the inner nursery.
 * 4. It leaves: what runs may finish within the grace, the rest is handed back, the last outcomes are recorded.
 * 5. It answers at any time, from memory: status, readiness, the tree.
 */
import { ifAvailable } from "../broker/availability.ts";
import type { Broker, Delivery } from "../broker/broker.ts";
import {
  type CancelScope,
  CapacityLimiter,
  moveOnAfter,
  type Nursery,
  type Task,
  type TreeNode,
  withNursery,
} from "../concurrency/index.ts";
import type { Handlers } from "../handlers/handler.ts";
import { KeptLocks } from "../operations/locks/kept-locks.ts";
import { attemptParts } from "./attempt/attempt-parts.ts";
import { CancelWatch } from "./attempt/cancel-watch.ts";
import { InlineCompany } from "./attempt/company.ts";
import { LeaseCheck } from "./attempt/lease-check.ts";
import { type AttemptParts, runAttempt } from "./attempt/run-attempt.ts";
import { RunningAttempts } from "./attempt/running-attempts.ts";
import type { ExecutorParts } from "./executor-parts.ts";
import { claimUntilLeaving } from "./intake/claiming.ts";
import { connect } from "./intake/connecting.ts";
import { CountedIntake } from "./intake/counted.ts";
import { Intake } from "./intake/intake.ts";
import { LeftToOthers } from "./intake/left-to-others.ts";
import { SharedTurn } from "./intake/shared-turn.ts";
import { moveFromSources } from "./intake/sources.ts";
import { Abandonment } from "./leaving/abandonment.ts";
import { Drain } from "./leaving/drain.ts";
import { HandBack } from "./leaving/hand-back.ts";
import { failureOf, oneThenTheOther, serveUntilDrained } from "./leaving/service-failure.ts";
import { WorkOff } from "./leaving/work-off.ts";
import {
  type ChangeableOptions,
  DEFAULT_ABANDONED_LIMIT,
  DEFAULT_HEARTBEAT_MS,
  type ExecutorOptions,
  outcomesFor,
} from "./options.ts";
import { Completion } from "./reports/completion.ts";
import { deadFollowUp } from "./reports/dead-follow-up.ts";
import { writeProgress } from "./reports/progress-writer.ts";
import { TaskLogs } from "./reports/task-logs.ts";
import { logConnection } from "./status/connection-log.ts";
import { liveTree } from "./status/live-tree.ts";
import { MetricsView } from "./status/metrics-view.ts";
import type { ExecutorState, ExecutorStatus, Readiness, RunnersSource, StatusSource } from "./status/status.ts";
import { StatusView, WITH_BROKER } from "./status/status-view.ts";
import type { Tally } from "./status/tally.ts";
import { noteMinutes } from "./status/work.ts";
import { beatJson, type HeartbeatParts, heartbeatParts } from "./upkeep/beat-json.ts";
import { collectionOf, collectNowAndThen } from "./upkeep/garbage-collection.ts";
import { identityOf, keepBeating } from "./upkeep/heartbeat.ts";
import { keepLeases } from "./upkeep/leases.ts";
import { NameConflict } from "./upkeep/name-conflict.ts";
import { tellOnCancelled } from "./upkeep/on-cancelled.ts";
import { Orders } from "./upkeep/orders.ts";
import { Promoter } from "./upkeep/promoter.ts";
import { ScheduleFiring } from "./upkeep/schedules.ts";
import { cleanUp, removeEnded } from "./upkeep/sweeper.ts";

/** How long a broker that is away is waited for at the end, in ms. */
const LAST_WORDS_MS = 5_000;

export class Executor implements StatusSource {
  readonly metrics: MetricsView;
  readonly #broker: Broker;
  readonly #handlers: Handlers;
  /** Its own: they may change. */
  readonly #options: ExecutorOptions;
  readonly #running = new RunningAttempts();
  readonly #tally: Tally;
  readonly #drain = new Drain(this.#running);
  readonly #turn: SharedTurn;
  readonly #promoter: Promoter;
  readonly #completion: Completion;
  readonly #cancels: CancelWatch;
  readonly #leases: LeaseCheck;
  readonly #logs: TaskLogs;
  readonly #locks: KeptLocks;
  readonly #view: StatusView;
  readonly #runners: RunnersSource | undefined;
  readonly #abandonment: Abandonment;
  readonly #heartbeat: HeartbeatParts;
  readonly #nameConflict: NameConflict;
  /** What goes back when the executor leaves, and what goes back at once. */
  readonly #handBack: HandBack;
  readonly #turnedAway: HandBack;
  readonly #left: LeftToOthers;
  readonly #company = new InlineCompany(() => this.#intake?.slotFreed());
  readonly #firing: ScheduleFiring;
  readonly #orders = new Orders(this, () => this.#intake?.slotFreed());
  /** Null: it stays until it is told to leave. */
  readonly #workOff: WorkOff | null;
  readonly #beatTurn = new CapacityLimiter(1);
  #intake: Intake | null = null;
  #parts: AttemptParts;
  #root: CancelScope | null = null;
  #open = false;
  /** Why the executor had to leave. */
  #fatal: Error | null = null;

  constructor({ broker, handlers, options: given, runners }: ExecutorParts) {
    this.#broker = broker;
    this.#handlers = handlers;
    const options = { ...given };
    this.#options = options;
    this.#runners = runners;
    const { concurrency, abandonedLimit = DEFAULT_ABANDONED_LIMIT } = options;
    const [running, turn, bootAt] = [this.#running, new SharedTurn(broker, this.#running), Date.now()];
    const state = (): ExecutorState => this.#state();
    this.metrics = new MetricsView({ broker, handlers, running, options, bootAt, runners, state });
    const { look, counts, tally } = this.metrics;
    [this.#tally, this.#turn] = [tally, turn];
    const [orders, isLeaving] = [this.#orders, (): boolean => this.#drain.isRequested];
    const leaveFor = (error: Error): void => this.#leaveFor(error);
    this.#promoter = new Promoter(broker);
    [this.#logs, this.#locks] = [new TaskLogs(broker), new KeptLocks(broker.locks, options.name)];
    this.#completion = new Completion(
      {
        ...{ broker, tally, turn, logs: this.#logs, retriesIn: (delayMs) => this.#promoter.expect(delayMs) },
        followUpOfDead: (outcome) => deadFollowUp(outcome, this.#parts.policy, handlers),
      },
      outcomesFor(concurrency),
    );
    [this.#cancels, this.#leases] = [new CancelWatch(broker, running), new LeaseCheck(broker)];
    this.#abandonment = new Abandonment(running, { count: abandonedLimit, slots: concurrency }, leaveFor);
    this.#heartbeat = heartbeatParts({ broker, running, tally, handlers, options, bootAt, runners, isLeaving, orders });
    this.#nameConflict = new NameConflict(broker, identityOf(this.#heartbeat), leaveFor, options.heartbeatTimeoutMs);
    [this.#handBack, this.#turnedAway] = [new HandBack(broker), new HandBack(broker)];
    this.#left = new LeftToOthers(broker, (count) => tally.countLeft(count));
    const definitionOf = (type: string) => handlers.get(type)?.options;
    const firing = new ScheduleFiring(broker, definitionOf, (schedule, missed) => counts.fired(schedule, missed));
    this.#firing = firing;
    const unsettled = [this.#completion, this.#turnedAway];
    this.#workOff = options.once ? new WorkOff({ broker, running, unsettled, firing, concurrency }) : null;
    this.#view = new StatusView({ broker, look, running, tally, options, bootAt, runners });
    this.#parts = this.#attemptParts();
  }

  /** Asks the executor to leave; `run` returns once it has. Asking again changes nothing. */
  drain(reason: string): void {
    this.#drain.request(reason);
  }

  /** Takes over what may change while it runs: attempts that begin from now on go by it. */
  change(options: ChangeableOptions): void {
    Object.assign(this.#options, options);
    this.#parts = this.#attemptParts();
    this.resize(options.concurrency);
  }

  resize(concurrency: number): void {
    Object.assign(this.#options, { concurrency });
    const { abandonedLimit = DEFAULT_ABANDONED_LIMIT } = this.#options;
    this.#completion.limit = outcomesFor(concurrency);
    this.#abandonment.limits = { count: abandonedLimit, slots: concurrency };
    this.#heartbeat.concurrency = concurrency;
    this.#intake?.resize(concurrency);
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
    return this.metrics.look.look();
  }

  status(): ExecutorStatus {
    return this.#view.status(this.#state());
  }

  /** Which tasks run now, and which ended last: one of them may have let go of an error. */
  names(): ReturnType<RunningAttempts["names"]> {
    return this.#running.names();
  }

  readiness(): Readiness {
    const idleMs = this.#intake?.idleMs() ?? 0;
    return this.#view.readiness(this.#state(), idleMs, this.#abandonment.isFull, this.#completion.blockage());
  }

  tree(): Promise<TreeNode> {
    return liveTree(this.#root, this.#running, this.#runners);
  }

  #state(): ExecutorState {
    if (this.#drain.isRequested) return "draining";
    if (!this.#open) return "starting";
    return WITH_BROKER[this.#broker.connection().state];
  }

  async #serve(services: Nursery): Promise<void> {
    const [broker, drain, nameConflict, heartbeat] = [this.#broker, this.#drain, this.#nameConflict, this.#heartbeat];
    this.#open = await connect(services.scope, { broker, drain, nameConflict, heartbeat });
    if (!this.#open) return;
    this.#startServices(services);
    await oneThenTheOther(
      () => this.#work(services),
      () => this.#sayLastWords(services.scope),
    );
    services.scope.cancel("drained");
  }

  #startServices(services: Nursery): void {
    const broker = this.#broker;
    const { heartbeatMs = DEFAULT_HEARTBEAT_MS } = this.#options;
    const drain = (reason: string): void => this.drain(reason);
    const startIn = (name: string, run: (task: Task) => Promise<unknown>): void =>
      services.startSoon((task: Task) => serveUntilDrained(run, task, drain), { name });
    const start = (name: string, run: (signal: AbortSignal) => Promise<unknown>): void =>
      startIn(name, (task) => run(task.signal));
    const held = (): readonly Delivery[] => [
      ...(this.#intake?.ready() ?? []),
      ...this.#completion.deliveries(),
      ...this.#handBack.deliveries(),
      ...this.#turnedAway.deliveries(),
      ...this.#left.deliveries(),
    ];
    const forget = (delivery: Delivery): void => {
      if (this.#intake?.forget(delivery)) this.#tally.countLost(delivery.queue, "");
    };
    const isOurs = (): Promise<boolean> => this.#nameConflict.isOurs();
    start("orders", (signal) => this.#orders.listen(broker, signal));
    start("heartbeat", (signal) => keepBeating(this.#heartbeat, heartbeatMs, isOurs, this.#beatTurn, signal));
    start("abandonment", (signal) => this.#abandonment.run(signal));
    start("leases", (signal) => keepLeases(broker, this.#running, held, forget, signal));
    startIn("completion", (task) => this.#completion.run(task.scope));
    start("progress", (signal) => writeProgress(broker, this.#running, signal));
    start("task logs", (signal) => this.#logs.run(signal));
    startIn("locks", (task) => this.#locks.run(task.scope));
    start("cancel answers", (signal) => this.#cancels.answer(signal));
    start("lease answers", (signal) => this.#leases.answer(signal));
    start("cancel watch", (signal) => this.#cancels.watch(signal));
    startIn("sources", (task) => moveFromSources(broker, this.#options, task.scope));
    start("on cancelled", (signal) => tellOnCancelled(broker, this.#handlers, this.#options, signal));
    start("suspects", (signal) => this.#company.run(signal));
    startIn("hand-back", (task) => this.#turnedAway.run(task.scope, LAST_WORDS_MS));
    start("left to others", (signal) => this.#left.run(signal));
    startIn("promote", (task) => this.#promoter.run(task.scope));
    start("clean-up", (signal) => cleanUp(broker, (vanished) => this.#view.note(vanished), signal));
    start("removal", (signal) => removeEnded(broker, signal));
    // One that only works off looks at them whenever it asks what is due.
    if (this.#workOff === null) start("schedules", (signal) => this.#firing.run(signal));
    start("garbage collection", (signal) => collectNowAndThen(collectionOf(this.#tally, this.#running), signal));
    start("status", (signal) => this.metrics.look.refresh(signal));
    start("loop lag", (signal) => this.metrics.lag.run(signal));
    start("rates", (signal) => noteMinutes(this.#tally, signal));
  }

  /** Claims and runs until the drain is over. */
  async #work(services: Nursery): Promise<void> {
    const { graceMs } = this.#options;
    await withNursery(
      services.scope,
      async (attempts) => {
        const { scope } = attempts;
        const intake = this.#makeIntake(attempts);
        this.#intake = intake;
        const failure = await failureOf(
          () => claimUntilLeaving(scope, { broker: this.#broker, drain: this.#drain, workOff: this.#workOff, intake }),
          "claims",
          scope,
        );
        if (failure !== null) this.drain("the claims failed");
        this.#handBack.add(...intake.takeReady(), ...this.#left.takeAll());
        await this.#handBack.release(scope, LAST_WORDS_MS);
        await this.#drain.finishOrHandBack(scope, graceMs);
        await this.#handBack.release(scope, LAST_WORDS_MS);
        if (failure !== null) throw failure.error;
      },
      { name: "attempts", graceMs },
    );
  }

  #makeIntake(attempts: Nursery): Intake {
    const [broker, running, completion, turn] = [this.#broker, this.#running, this.#completion, this.#turn];
    const start = (delivery: Delivery): void => {
      running.expect();
      attempts.startSoon((task: Task) => runAttempt(delivery, task, this.#parts), { name: "attempt" });
    };
    const recoverAtOnce = !this.#nameConflict.isShared;
    const [counted, left] = [new CountedIntake(this.metrics.counts.tasks, broker), this.#left];
    const parts = { broker, running, completion, turn, recoverAtOnce, start, counted, left };
    const most = (): number => (this.#orders.isQuiet ? 0 : this.#company.most);
    return new Intake({ ...parts, most }, this.#options.concurrency);
  }

  #attemptParts(): AttemptParts {
    const slotFreed = (): void => {
      this.#drain.attemptEnded();
      this.#intake?.slotFreed();
    };
    const [broker, handlers, options, running] = [this.#broker, this.#handlers, this.#options, this.#running];
    return attemptParts({
      ...{ broker, handlers, options, running, slotFreed, company: this.#company, cancels: this.#cancels },
      ...{ leases: this.#leases, locks: this.#locks, logs: this.#logs, tally: this.#tally },
      ...{ metrics: this.metrics.counts, completion: this.#completion, handBack: this.#handBack },
      ...{ turnedAway: this.#turnedAway, abandonment: this.#abandonment, left: this.#left },
    });
  }

  async #sayLastWords(scope: CancelScope): Promise<void> {
    // Where an attempt failed by a mistake of ours, the others were cancelled, and nobody has handed them back.
    await this.#handBack.release(scope, LAST_WORDS_MS);
    await this.#turnedAway.release(scope, LAST_WORDS_MS);
    await this.#completion.finish(scope, LAST_WORDS_MS);
    await moveOnAfter(scope, LAST_WORDS_MS, () => Promise.all([this.#logs.flush(), this.#options.beforeClose?.()]));
    await moveOnAfter(scope, LAST_WORDS_MS, ({ signal }) => ifAvailable(() => this.#leave(signal)));
  }

  /** Out of the fleet. The turn is not given back: a beat that came later would register us again. */
  async #leave(signal: AbortSignal): Promise<void> {
    await this.#beatTurn.acquire(signal);
    await this.#nameConflict.leave((await beatJson(this.#heartbeat)).small);
  }

  /** Drains, and `run` throws the error when that is over. */
  #leaveFor(error: Error): void {
    this.#fatal ??= error;
    this.drain(error.message);
  }
}
