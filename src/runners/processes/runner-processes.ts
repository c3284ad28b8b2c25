/**
 * All processes that an executor starts to run what is not its own, and what holds for each of them:
 * 1. It leads a process group, and is killed with it.
 * 2. It dies with the executor, however that ends: by the kernel (PR_SET_PDEATHSIG) where it asks for it itself or is
 *    started through the executable, and by the guardian, with all of its group.
 * 3. What it leaves behind in other groups is killed when it has ended, and reaped (orphans.ts).
 * 4. The kernel takes it before the executor when memory runs out, and its own limit is looked after.
 */
import { randomBytes } from "node:crypto";
import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import { getLogger } from "@logtape/logtape";
import { type CancelScope, type Nursery, sleep, withNursery, withScope } from "../../concurrency/index.ts";
import { type ChildProcessHandle, type PipedChildHandle, runtime, type SpawnOptions } from "../../runtime/index.ts";
import { boundArguments, type CommandLine } from "../../runtime/process/bound-command.ts";
import { RUNNER_MARK } from "../../runtime/process/parent-bond.ts";
import { Guardian } from "./guardian.ts";
import { Orphans } from "./orphans.ts";
import { allProcesses, hasInEnvironment, signalTo } from "./proc.ts";
import { dataLimitOf, type MemoryLimit, RunnerProcess } from "./runner-process.ts";

const logger = getLogger(["taskexe", "runners"]);

/** How often memory and orphans are looked at, in ms. */
const LOOK_MS = 250;
/** How often it is asked whether what was killed is gone, and for how long, in ms. */
const GONE_MS = 10;
const GONE_LIMIT_MS = 5_000;
/** How much rather than the executor the kernel kills it. */
const OOM_SCORE = 500;
const MOST_OOM_SCORE = 1_000;

export interface ProcessesOptions {
  /** Removed with all in it by the guardian, once this process has ended; null: nothing is. */
  readonly folder: string | null;
  /** Handlers run in this process, too, and may start children of their own. */
  readonly runsHandlers: boolean;
}

type Spawning = SpawnOptions & Pick<RunnerOptions, "env">;

export interface RunnerOptions extends Omit<SpawnOptions, "env"> {
  /** The whole environment: see runner-environment.ts. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Who asks the kernel that it dies with this process: `itself`, a runner of ours at its start (bindToParent); `us`,
   * for a command, which is started through the executable and some 12 ms later; `nobody`, as for a command that is
   * over soon: there the guardian alone stands for it.
   */
  readonly bound: "itself" | "us" | "nobody";
  readonly memory?: MemoryLimit | null;
}

/** Gives them to `body`, and leaves when the body and all of them have ended. Its end kills those that are left. */
export async function withRunnerProcesses(
  scope: CancelScope,
  options: ProcessesOptions,
  body: (processes: RunnerProcesses) => Promise<void>,
): Promise<void> {
  let processes: RunnerProcesses | null = null;
  try {
    await withNursery(
      scope,
      async (nursery) => {
        processes = new RunnerProcesses(nursery, options);
        await processes.begin();
        try {
          await body(processes);
        } finally {
          processes.leave();
        }
        nursery.scope.cancel("the body has ended");
      },
      { name: "processes" },
    );
  } finally {
    await (processes as RunnerProcesses | null)?.close();
  }
}

export class RunnerProcesses {
  readonly #nursery: Nursery;
  readonly #mark = `${process.pid}.${randomBytes(6).toString("hex")}.`;
  readonly #living = new Set<RunnerProcess>();
  readonly #orphans: Orphans;
  readonly #guardian: Guardian;
  readonly #calls = runtime.linuxCalls();
  readonly #oomScore = oomScoreOfRunners();
  #isLeaving = false;
  #started = 0;

  constructor(nursery: Nursery, { folder, runsHandlers }: ProcessesOptions) {
    this.#nursery = nursery;
    const mark = `${RUNNER_MARK}=${this.#mark}`;
    this.#guardian = new Guardian({ mark, folder });
    this.#orphans = new Orphans(this.#living, mark, runsHandlers);
  }

  /** Those that have not ended. */
  get living(): ReadonlySet<RunnerProcess> {
    return this.#living;
  }

  /** The pid of the guardian's shell; null while there is none. */
  get guardianPid(): number | null {
    return this.#guardian.pid;
  }

  /** That folder is removed once this process has ended, however it did. */
  removeAtTheEnd(folder: string): void {
    this.#guardian.remove(folder);
  }

  async begin(): Promise<void> {
    this.#nursery.startSoon(({ signal }) => this.#keepLooking(signal), { name: "look" });
    if (!(await this.#guardian.begin())) return;
    this.#nursery.startSoon(({ signal }) => this.#guardian.keep(signal), { name: "guardian" });
  }

  /** @throws (rejects) Error that names the command where it cannot be started, or that the executor is leaving. */
  start(
    command: string,
    args: readonly string[],
    options: RunnerOptions & { readonly pipes: true },
  ): Promise<RunnerProcess<PipedChildHandle>>;
  start(command: string, args: readonly string[], options: RunnerOptions): Promise<RunnerProcess>;
  async start(command: string, args: readonly string[], options: RunnerOptions): Promise<RunnerProcess> {
    const { bound, memory = null, env, ...rest } = options;
    this.#started++;
    const mark = `${this.#mark}${this.#started}.`;
    const spawning: Spawning = { ...rest, env: { ...env, [RUNNER_MARK]: mark } };
    const isOurs = bound === "itself";
    const dataBytes = dataLimitOf(memory, isOurs);
    // Bun aborts where its memory is bounded once it runs: it must find the bound at its start.
    const isWanted = bound === "us" || (isOurs && dataBytes !== null);
    const isThrough = isWanted && this.#calls?.become != null && mayBeExecuted(command, spawning);
    const line = isThrough
      ? throughUs(boundArguments({ command, args }, rest.pipes === true, dataBytes))
      : { command, args };
    if (this.#isLeaving) throw new Error("the executor is leaving, and starts no process");
    const child: ChildProcessHandle = await runtime.spawn(line.command, line.args, spawning);
    const adopts = this.#calls !== null && (isOurs || isThrough);
    const runner = new RunnerProcess(child, { mark: `${RUNNER_MARK}=${mark}`, adopts, limit: memory });
    this.#living.add(runner);
    this.#guardian.watch(runner.pid);
    if (dataBytes !== null && !isThrough && !isOurs) this.#calls?.limitData(runner.pid, dataBytes);
    raiseOomScore(runner.pid, this.#oomScore);
    // It is waited for whatever is cancelled: the end of all kills it.
    this.#nursery.startSoon(({ scope }) => this.#toTheEnd(runner, scope), { name: `process ${runner.pid}` });
    if (this.#isLeaving) runner.kill("SIGKILL");
    return runner;
  }

  /** Nothing more is started, and what lives is killed. */
  leave(): void {
    this.#isLeaving = true;
    for (const runner of this.#living) runner.kill("SIGKILL");
  }

  async close(): Promise<void> {
    await this.#guardian.end();
    this.#orphans.close();
  }

  async #keepLooking(signal: AbortSignal): Promise<never> {
    for (;;) {
      await sleep(LOOK_MS, signal);
      this.#orphans.look();
      for (const runner of this.#living) {
        const before = runner.strays;
        const now = runner.look();
        for (const group of now) if (!before.has(group)) this.#guardian.watch(group);
        for (const group of before) if (!now.has(group)) this.#guardian.forget(group);
      }
    }
  }

  async #toTheEnd(runner: RunnerProcess, scope: CancelScope): Promise<void> {
    const exit = await runner.child.exited;
    this.#living.delete(runner);
    if (!this.#isGone(runner)) {
      await withScope(scope, { shield: true }, ({ signal }) => this.#untilGone(runner, signal));
    }
    for (const group of [runner.pid, ...runner.strays]) this.#guardian.forget(group);
    runner.over(exit);
  }

  async #untilGone(runner: RunnerProcess, signal: AbortSignal): Promise<void> {
    const since = performance.now();
    do await sleep(GONE_MS, signal);
    while (!this.#isGone(runner) && performance.now() - since < GONE_LIMIT_MS);
    if (performance.now() - since < GONE_LIMIT_MS) return;
    logger.warn("what process {pid} started does not end, although it was killed: it waits for the kernel", {
      pid: runner.pid,
    });
  }

  /** Kills what is left of one that has ended; whether nothing is. */
  #isGone(runner: RunnerProcess): boolean {
    const hasGroup = runner.kill("SIGKILL");
    if (this.#calls === null) return !hasGroup && !killMarked(runner.mark);
    return this.#orphans.look(runner.strays) === 0 && !hasGroup;
  }
}

/** The command line by which the executable starts itself and becomes the command. */
function throughUs(bound: readonly string[]): CommandLine {
  const { command, args } = runtime.self;
  return { command, args: [...args, ...bound] };
}

/** Where it may not, its own start says why; whoever started it would only see an exit code. */
function mayBeExecuted(command: string, { cwd = ".", env }: Spawning): boolean {
  const places = command.includes("/") ? [""] : (env.PATH ?? "").split(delimiter);
  return places.some((place) => {
    try {
      accessSync(resolve(cwd, place, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** For where nothing else tells who started a process: those with this in their environment. Whether any was left. */
function killMarked(mark: string): boolean {
  const left = allProcesses().filter((pid) => pid !== process.pid && hasInEnvironment(pid, mark));
  for (const pid of left) signalTo(pid, "SIGKILL");
  return left.length > 0;
}

/** Read at once: later this process may not read it any more. Null: there is none here. */
function oomScoreOfRunners(): number | null {
  try {
    const own = Number(readFileSync("/proc/self/oom_score_adj", "latin1"));
    return Math.min(own + OOM_SCORE, MOST_OOM_SCORE);
  } catch {
    return null;
  }
}

function raiseOomScore(pid: number, score: number | null): void {
  if (score === null) return;
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(score));
  } catch {
    // It has ended, or is another user's by now.
  }
}
