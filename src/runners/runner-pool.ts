/**
 * The runners of one kind, and which run goes where. Shared runs go into the first shared runner that has room and
 * answers; another one is started, up to `processes`, when those there are blocked or busy. A run of its own, or a
 * suspect, goes into a runner that has nothing else, or no more company than each of its runs allows. What waits for a
 * runner has not begun. Idle runners leave after a minute, all but one shared. A pool whose generation is over leaves:
 * what has not been handed over goes elsewhere, and what runs ends here.
 */
import { getLogger } from "@logtape/logtape";
import { type CancelScope, Latch, type Nursery } from "../concurrency/index.ts";
import type { HandlerEnding } from "../handlers/handler.ts";
import { MessageTooLongError } from "../runner-protocol/encode.ts";
import type { TypeManifest } from "../runner-protocol/messages.ts";
import type { Door } from "./answers/door.ts";
import { Escalation } from "./escalation.ts";
import { watchRunners } from "./looks/runner-watch.ts";
import { passOutputOn } from "./output.ts";
import { idleRunner, placeApart, roomyRunner, wornRunners } from "./placing.ts";
import { Upkeep } from "./processes/upkeep.ts";
import type { Run } from "./run.ts";
import { Runner, type RunnerOwner } from "./runner.ts";
import type { RunnerKind, StartedRunner } from "./runner-kind.ts";
import { Starts, typesOf } from "./starts.ts";

const logger = getLogger(["taskexe", "runners"]);

/** Into so many groups one death parts those that ran at the most, each half as large: 64, 32, ... 2, 1. */
const SUSPECT_GROUPS = 7;
/** A shared runner that takes so long to answer is busy, in ms. */
const BUSY_MS = 50;
/** The company of a run that may have any. */
const ANY = Number.POSITIVE_INFINITY;

export interface PoolOptions {
  /** How many runners there may be for runs of their own; while suspects wait there may be seven more. */
  readonly ownRunners: number;
  /** How long a first hello may take, in ms. */
  readonly helloMs?: number;
  /** Told whenever it may have become true that nothing is left of a pool; and of a runner that is gone before. */
  readonly changed?: (gone?: Runner) => void;
  /** Where goes what a runner asks of no run; absent: such questions are not answered. */
  readonly door?: Door;
}

export class RunnerPool implements RunnerOwner {
  readonly kind: RunnerKind;
  readonly #options: PoolOptions;
  readonly #nursery: Nursery;
  readonly #starts: Starts;
  readonly #upkeep: Upkeep;
  readonly #escalation = new Escalation();
  readonly #runners = new Set<Runner>();
  /** Runs that wait for a runner, in their order. */
  #shared: Run[] = [];
  #apart: Run[] = [];
  #types: readonly TypeManifest[] = [];
  #files: readonly string[] = [];
  /** The first one has said hello. */
  #isOpen = false;
  #isClosing = false;
  /** It leaves: who takes what has not been handed over. */
  #elsewhere: ((run: Run) => void) | null = null;
  #gone = new Latch();

  constructor(kind: RunnerKind, options: PoolOptions, nursery: Nursery) {
    this.kind = kind;
    this.#options = options;
    this.#nursery = nursery;
    this.#starts = new Starts(kind, options.helloMs);
    this.#upkeep = new Upkeep(kind, nursery, (runner) => this.#again(runner));
  }

  get door(): Door | null {
    return this.#options.door ?? null;
  }

  /** What its first hello has said. */
  get types(): readonly TypeManifest[] {
    return this.#types;
  }

  /** Which files its runners have loaded, as far as its first hello has told. */
  get files(): readonly string[] {
    return this.#files;
  }

  /** Why none can be started now; null: one can. */
  get problem(): string | null {
    return this.#starts.problem;
  }

  get waiting(): number {
    return this.#shared.length + this.#apart.length;
  }

  get runners(): readonly Runner[] {
    return [...this.#runners];
  }

  /** Starts the first one. @throws (rejects) RunnerStartError, with the reason. */
  async open(scope: CancelScope): Promise<void> {
    const { runner, hello } = await this.#starts.once(scope, (process) => this.#made(process, true));
    this.#types = typesOf(hello, this.kind);
    this.#files = hello.files ?? [];
    this.#isOpen = true;
    this.#ready(runner);
    this.#nursery.startSoon(({ signal }) => watchRunners(this, signal), { name: `${this.kind.name}: watch` });
  }

  /** It has said hello. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** It leaves, and no runner of it is left. */
  get isGone(): boolean {
    const { shared, apart } = this.#starts.underWay;
    return this.#isLeaving && this.#runners.size + shared + apart === 0;
  }

  get #isLeaving(): boolean {
    return this.#isClosing || this.#elsewhere !== null;
  }

  /** Takes an attempt: it is placed now, or waits. */
  take(run: Run): void {
    run.place = this;
    const runner = run.company === ANY && this.#shared.length === 0 ? roomyRunner(this.#runners, this.kind) : undefined;
    if (runner !== undefined) {
      this.#give(runner, run);
      return;
    }
    const unable = this.#unable(run.company === ANY);
    if (unable !== null && this.#elsewhere === null) {
      run.end(unable);
      return;
    }
    this.#queueOf(run).push(run);
    this.#place();
  }

  /** The scope of a run was cancelled. */
  cancelled(run: Run): void {
    for (const runner of this.#runners) {
      if (run.runner !== runner) continue;
      this.#escalation.begin(run, runner);
      return;
    }
    const queue = this.#queueOf(run);
    const at = queue.indexOf(run);
    if (at >= 0) queue.splice(at, 1);
    run.stopped("heeded");
  }

  /** One that is ready, for a question; undefined: there is none. */
  idleRunner(): Runner | undefined {
    return idleRunner(this.#runners);
  }

  /** How often attempts of a type have ignored their cancel: from the second time on it runs alone. */
  isDeaf(type: string): boolean {
    return this.#escalation.isDeaf(type);
  }

  /** Nothing new: each runner leaves when what it has has ended. @param elsewhere - takes what was not handed over. */
  leave(elsewhere: (run: Run) => void): void {
    this.#elsewhere = elsewhere;
    this.#starts.giveUp();
    for (const runner of this.#runners) this.#retire(runner);
    this.#place();
  }

  /** Ends all of them. Resolves when they are gone. */
  async close(signal: AbortSignal): Promise<void> {
    this.#isClosing = true;
    for (const runner of this.#runners) {
      if (runner.size > 0) runner.kill("SIGKILL", "the executor leaves");
      else runner.stop();
    }
    while (this.#runners.size > 0) {
      this.#gone = new Latch();
      await this.#gone.wait(signal);
    }
  }

  /** Kills what is left. */
  kill(): void {
    this.#isClosing = true;
    this.#starts.giveUp();
    for (const runner of this.#runners) runner.kill("SIGKILL", "the executor leaves");
  }

  changed(runner: Runner): void {
    this.#upkeep.ended(runner);
    if (runner.isRetired) this.#leaveIfDone(runner);
    else if (runner.size === 0 && !runner.isShared) runner.bound = 1;
    if (this.waiting > 0) this.#place();
  }

  begun(): void {
    if (this.#shared.length > 0 && !this.#isLeaving) this.#placeShared();
  }

  died(runner: Runner, reason: string, unbegun: readonly Run[]): void {
    this.#runners.delete(runner);
    this.#gone.set();
    if (!this.#isClosing && runner.stoppedAt === null) {
      const { pid } = runner.process;
      logger.warn("runner {pid} of {kind} has ended: {reason}", { pid, kind: this.kind.name, reason });
    }
    for (const run of unbegun) if (run.scope.signal.aborted) run.stopped("heeded");
    this.placeFirst(unbegun.filter(({ hasEnded }) => !hasEnded));
    this.#options.changed?.(this.#isClosing ? undefined : runner);
  }

  #queueOf({ company }: Run): Run[] {
    return company === ANY ? this.#shared : this.#apart;
  }

  #place(): void {
    if (!this.#isOpen || this.#isClosing) return;
    if (this.#elsewhere !== null) {
      for (const run of [...this.#shared.splice(0), ...this.#apart.splice(0)]) this.#elsewhere(run);
      return;
    }
    this.#placeShared();
    this.#placeApart();
    if (this.#wantsShared()) this.#start(true);
    for (let n = this.#missingApart(); n > 0; n--) this.#start(false);
  }

  #placeShared(): void {
    let placed = 0;
    for (const run of this.#shared) {
      const runner = roomyRunner(this.#runners, this.kind);
      if (runner === undefined) break;
      placed++;
      this.#give(runner, run);
    }
    if (placed > 0) this.#shared.splice(0, placed);
  }

  #placeApart(): void {
    if (this.#apart.length === 0) return;
    const free = [...this.#runners].filter(({ isShared, isRetired, isReady }) => !isShared && !isRetired && isReady);
    this.#apart = placeApart(this.#apart, free, (runner, run) => this.#give(runner, run));
    const wanted = this.#apart.filter(({ wantsFresh }) => wantsFresh).length - this.#starts.underWay.apart;
    if (wanted > 0) for (const runner of wornRunners(free, wanted - this.#roomApart())) runner.stop();
  }

  #give(runner: Runner, run: Run): void {
    this.#upkeep.given(runner);
    try {
      runner.give(run);
    } catch (error) {
      if (!(error instanceof MessageTooLongError)) throw error;
      run.end({
        kind: "failed",
        error: { name: error.name, message: error.message },
        ...{ retry: false, retryInMs: null, later: false },
      });
    }
  }

  /** Whether another shared one is to start: those there are blocked or busy, or there is none. */
  #wantsShared(): boolean {
    if (this.#starts.underWay.shared > 0) return false;
    const shared = [...this.#runners].filter(({ isShared, isRetired }) => isShared && !isRetired);
    if (shared.length >= this.kind.processes) return false;
    const able = shared.filter(({ silence }) => !silence.isBlocked && silence.lagMs < BUSY_MS);
    return this.#shared.length > 0 || (able.length === 0 && (shared.length > 0 || this.kind.isolation === "shared"));
  }

  #missingApart(): number {
    if (this.#apart.length === 0) return 0;
    return Math.max(0, Math.min(this.#apart.length - this.#starts.underWay.apart, this.#roomApart()));
  }

  /** How many more may be started for runs of their own. */
  #roomApart(): number {
    const apart = [...this.#runners].filter(({ isShared, isRetired }) => !isShared && !isRetired).length;
    // Else groups of innocent suspects, which may run for long, would keep the guilty one from being tried.
    const more = this.#apart.some(({ isSuspect }) => isSuspect) ? SUSPECT_GROUPS : 0;
    return this.#options.ownRunners + more - apart - this.#starts.underWay.apart;
  }

  #start(isShared: boolean): void {
    const made = (process: StartedRunner): Runner => this.#made(process, isShared);
    const isOver = (): boolean => this.#isLeaving || (this.waiting === 0 && this.#runners.size > 0);
    const started = (runner: Runner | null): void => {
      if (runner !== null) this.#ready(runner);
      this.#options.changed?.();
    };
    const failed = (): void => {
      const unable = this.#unable(isShared);
      if (unable !== null) for (const run of (isShared ? this.#shared : this.#apart).splice(0)) run.end(unable);
    };
    this.#starts.more(this.#nursery, { made, isOver, started, failed }, isShared ? "shared" : "apart");
  }

  /** How a run ends for which there is no runner, and none can be started; null: it waits for one. */
  #unable(isShared: boolean): HandlerEnding | null {
    const isThere = [...this.#runners].some((one) => one.isReady && !one.isRetired && one.isShared === isShared);
    return isThere ? null : this.#starts.unable(isShared ? "shared" : "apart");
  }

  #made(process: StartedRunner, isShared: boolean): Runner {
    const runner = new Runner(process, isShared, this);
    this.#runners.add(runner);
    const name = `${this.kind.name}: runner ${process.pid}`;
    this.#nursery.startSoon(() => runner.toTheEnd(), { name });
    this.#nursery.startSoon(() => passOutputOn(runner), { name: `${name}: output` });
    this.#upkeep.started(runner);
    if (this.#isLeaving) {
      // One that came too late.
      runner.stop();
      runner.kill("SIGKILL", "it is not wanted any more");
    }
    return runner;
  }

  #ready(runner: Runner): void {
    runner.isReady = true;
    if (runner.firstErrors !== "")
      logger.warn("runner {pid}: {text}", { pid: runner.process.pid, text: runner.firstErrors });
    this.#upkeep.ready(runner);
    this.#place();
  }

  /** Runs that have begun nowhere, before all others. */
  placeFirst(runs: readonly Run[]): void {
    for (const run of [...runs].reverse()) this.#queueOf(run).unshift(run);
    this.#place();
  }

  #again(runner: Runner): void {
    if (runner.isRetired) this.#leaveIfDone(runner);
    this.#place();
  }

  #retire(runner: Runner): void {
    runner.isRetired = true;
    this.#leaveIfDone(runner);
  }

  #leaveIfDone(runner: Runner): void {
    if (runner.size > runner.abandoned || runner.isGone) return;
    if (runner.abandoned > 0) runner.kill("SIGKILL", "what ignored its cancel was all that ran in it");
    else runner.stop();
  }
}
