/** Which runners an executor has: those of its handler files, and its workers. How each is started. */
import { availableParallelism } from "node:os";
import type { Settings } from "../../config/settings.ts";
import type { WorkerTable } from "../../config/tables/handler-tables.ts";
import { runnerEnvironment } from "../../runners/processes/runner-environment.ts";
import type { MemoryLimit } from "../../runners/processes/runner-process.ts";
import type { RunnerProcesses } from "../../runners/processes/runner-processes.ts";
import { startRunner } from "../../runners/processes/start-runner.ts";
import type { RunnerKind } from "../../runners/runner-kind.ts";
import type { PoolOptions } from "../../runners/runner-pool.ts";
import { runtime } from "../../runtime/index.ts";

const LEAST_OWN_RUNNERS = 4;
/** So many runs are handed ahead to a worker: with fewer one waits for us. One whose runs are quick gets more. */
const AHEAD = 2;
/** The kind that runs handler files. */
const OF_FILES = "handlers";

const nameOfWorker = ({ name }: WorkerTable): string => `worker ${name}`;

/** Those that these settings ask for; none where all handlers run in this process. */
export function runnerKinds(settings: Settings, processes: () => Promise<RunnerProcesses>): RunnerKind[] {
  const { tasks, isolation, tables } = settings;
  const ofFiles = tasks.length > 0 && isolation !== "inline" ? [kindOfFiles(settings, isolation, processes)] : [];
  return [...ofFiles, ...tables.workers.map((table) => kindOfWorker(table, settings, processes))];
}

/** What they are called, as logs and /status have it. */
export function namesOfKinds({ tasks, isolation, tables }: Settings): string[] {
  const ofFiles = tasks.length > 0 && isolation !== "inline" ? [OF_FILES] : [];
  return [...ofFiles, ...tables.workers.map(nameOfWorker)];
}

export function poolOptions({ ownRunners }: Settings): PoolOptions {
  return { ownRunners: ownRunners ?? Math.max(LEAST_OWN_RUNNERS, 2 * availableParallelism()) };
}

function kindOfFiles(
  { tasks, concurrency, runners, runnerEnv, runnerMaxRss, runnerMaxTasks }: Settings,
  isolation: "shared" | "own",
  processes: () => Promise<RunnerProcesses>,
): RunnerKind {
  const { command, args } = runtime.self;
  const memory = memoryLimit(runnerMaxRss);
  const options = { env: runnerEnvironment(process.env, runnerEnv), bound: "itself", memory } as const;
  return {
    name: OF_FILES,
    start: async () => startRunner(await processes(), command, [...args, "runner", "--", ...tasks], options),
    ...{ concurrency, ahead: 0, isolation, types: null, maxTasks: runnerMaxTasks },
    processes: runners ?? availableParallelism(),
  };
}

function kindOfWorker(table: WorkerTable, settings: Settings, processes: () => Promise<RunnerProcesses>): RunnerKind {
  const {
    command: [command = "", ...args],
    cwd,
    env,
    types,
    concurrency,
    maxRssBytes,
  } = table;
  const byDefault = settings.isolation === "own" ? "own" : "shared";
  const memory = memoryLimit(maxRssBytes ?? settings.runnerMaxRss);
  const options = { cwd, env: runnerEnvironment(process.env, settings.runnerEnv, env), bound: "us", memory } as const;
  return {
    name: nameOfWorker(table),
    start: async () => startRunner(await processes(), command, args, options),
    ...{ concurrency, ahead: AHEAD, isolation: table.isolation ?? byDefault, types },
    maxTasks: table.maxTasks ?? settings.runnerMaxTasks,
    helloMs: table.startTimeoutMs,
    processes: table.processes ?? availableParallelism(),
  };
}

/** What runs in it may go on until half as much again. */
function memoryLimit(bytes: number | null): MemoryLimit | null {
  return bytes === null ? null : { bytes, beyond: "tell" };
}
