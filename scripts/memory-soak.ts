/**
 * Whether memory stays flat: a million tasks through one executor on Redis, its resident memory seen from outside, and
 * then as many through a user's file, in a runner, whose memory must stay flat, too. `bun scripts/memory-soak.ts
 * [TASKS]` prints two tables and exits with 1 where an end is more than 20 % above what the process took after the
 * first tenth. TASKEXE_BIN names an executable to soak in place of the source.
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Broker, type EnqueueRequest, MAX_ENQUEUE_BATCH } from "../src/broker/broker.ts";
import { createBroker } from "../src/broker/drivers.ts";
import { progressBar } from "../src/cli/output/progress-bar.ts";
import type { ExecutorStatus } from "../src/executor/status/status.ts";
import { formatMessage } from "../src/task/message/message.ts";
import { ExecutorProcess } from "../test/stage/executor.ts";
import { startRedis } from "../test/stage/redis/server.ts";

/** How far the end may be above the first sample. */
export const MOST_GROWTH = 0.2;

/** How many tasks may be enqueued and not done: the queue stays short, so that Redis stays small too. */
const MOST_WAITING = 10_000;
/** How long the executor may make no progress, in ms. */
const STUCK_MS = 30_000;
const LOOK_MS = 20;

export interface Sample {
  /** How many tasks had been done. */
  readonly done: number;
  /**
   * The median of what was read under load, while the later half of this tenth was done. At rest it would be chance
   * what is read: how much the collector's last run had left.
   */
  readonly rssBytes: number;
  /** The same of all its runners together; null: it has none. */
  readonly runnersBytes: number | null;
  /** Tasks a second since the sample before. */
  readonly rate: number;
}

/** What runs: the built-in no-op, or that of a user's file, in a runner. */
export type Where = "built-in" | "in a runner";

const TYPES: Readonly<Record<Where, string>> = { "built-in": "noop", "in a runner": "user-noop" };
const USER_FILE = join(import.meta.dirname, "bench/ours/user-noop.ts");

/**
 * Runs `tasks` no-ops and takes a sample each time a tenth of them is done.
 *
 * @param progress - is told how many are done.
 * @throws Error when the executor makes no progress, or leaves with another code than 0.
 */
export async function soak(
  tasks: number,
  where: Where = "built-in",
  progress: (done: number) => void = () => {},
): Promise<Sample[]> {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-soak-"));
  const redis = await startRedis();
  try {
    const own = where === "built-in" ? {} : { tasks: USER_FILE };
    const executor = await ExecutorProcess.start({ broker: redis.url, folder, concurrency: 100, ...own });
    try {
      const samples = await feed(executor, redis.url, { tasks, type: TYPES[where] }, progress);
      executor.kill("SIGTERM");
      const { code } = await executor.ended;
      if (code !== 0) throw new Error(`the executor left with ${code}:\n${executor.output().slice(-2_000)}`);
      return samples;
    } finally {
      await executor.end();
    }
  } finally {
    await redis.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** How much more the end is than the first sample: 0.1 is 10 %. The end is the median of the last three samples. */
export function growthOf(
  samples: readonly Sample[],
  of: (sample: Sample) => number | null = ({ rssBytes }) => rssBytes,
): number {
  const [first = Number.NaN, ...rest] = samples.map((sample) => of(sample) ?? Number.NaN);
  return median(rest.slice(-3)) / first - 1;
}

async function feed(
  executor: ExecutorProcess,
  url: string,
  { tasks, type }: { readonly tasks: number; readonly type: string },
  progress: (done: number) => void,
): Promise<Sample[]> {
  const broker = await createBroker(url, { executor: null, queues: ["common"], leaseMs: 30_000 });
  try {
    await broker.open(AbortSignal.timeout(STUCK_MS));
    const samples: Sample[] = [];
    let enqueued = 0;
    for (let tenth = 1; tenth <= 10; tenth++) {
      const [from, goal] = [enqueued, Math.round((tasks * tenth) / 10)];
      const begun = performance.now();
      const readings: number[] = [];
      const ofRunners: number[] = [];
      const look = ({ done, runners }: ExecutorStatus): void => {
        progress(done);
        if (done < (from + goal) / 2) return;
        readings.push(rssOf(executor.pid));
        const pids = runners?.processes.map(({ pid }) => pid) ?? [];
        if (pids.length > 0) ofRunners.push(pids.reduce((sum, pid) => sum + rssOf(pid), 0));
      };
      while (enqueued < goal) {
        const count = Math.min(MAX_ENQUEUE_BATCH, goal - enqueued);
        await broker.enqueue(requests(enqueued, count, type));
        enqueued += count;
        await doneAtLeast(executor, enqueued - MOST_WAITING, look);
      }
      await doneAtLeast(executor, goal, look);
      const rate = (goal - from) / ((performance.now() - begun) / 1_000);
      const runnersBytes = ofRunners.length === 0 ? null : median(ofRunners);
      samples.push({ done: goal, rssBytes: median(readings), runnersBytes, rate });
    }
    await nothingLeft(broker);
    return samples;
  } finally {
    await broker.close();
  }
}

function requests(from: number, count: number, type: string): EnqueueRequest[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `soak-${from + index}`;
    const message = formatMessage({ id, type, payload: null, options: { retention_ms: 0 } });
    return { id, type, queue: "common", priority: 0, message, retentionMs: 0 };
  });
}

/** Waits until so many are done; tells at each look how many are. */
async function doneAtLeast(
  executor: ExecutorProcess,
  goal: number,
  look: (status: ExecutorStatus) => void,
): Promise<void> {
  let last = -1;
  let movedAt = performance.now();
  while (true) {
    const status = await executor.status();
    const { done } = status;
    look(status);
    if (done >= goal) return;
    if (done !== last) {
      last = done;
      movedAt = performance.now();
    } else if (performance.now() - movedAt > STUCK_MS) {
      throw new Error(`no task was done for ${STUCK_MS} ms; ${done} of ${goal} are`);
    }
    await pause(LOOK_MS);
  }
}

async function nothingLeft(broker: Broker): Promise<void> {
  const { pending, lag } = await broker.backlog();
  if (pending + lag > 0) throw new Error(`${pending} tasks are pending and ${lag} wait after all were counted as done`);
}

/** The resident memory of a process as the kernel counts it, in bytes. */
function rssOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

function median(readings: readonly number[]): number {
  return readings.toSorted((a, b) => a - b)[Math.floor(readings.length / 2)] ?? Number.NaN;
}

function table(samples: readonly Sample[]): string {
  const megabytes = (bytes: number | null) => (bytes === null ? "none" : `${(bytes / 1024 / 1024).toFixed(1)} MB`);
  const rows = samples.map(({ done, rssBytes, runnersBytes, rate }) => [
    done.toLocaleString("en"),
    megabytes(rssBytes),
    megabytes(runnersBytes),
    Math.round(rate).toLocaleString("en"),
  ]);
  const all = [["tasks done", "RSS", "runners", "tasks/s"], ...rows];
  return all.map((row) => row.map((cell) => cell.padStart(12)).join("")).join("\n");
}

if (import.meta.main) {
  const tasks = Number(process.argv[2] ?? 1_000_000);
  if (!Number.isInteger(tasks) || tasks < 1_000) {
    process.stderr.write(`memory-soak: expected a number of tasks from 1000, got ${process.argv[2]}\n`);
    process.exit(2);
  }
  let isFlat = true;
  for (const where of ["built-in", "in a runner"] as const) {
    const bar = progressBar(`soaking, ${where}`, tasks);
    const samples = await soak(tasks, where, (done) => bar.update(done, `${done} tasks`));
    bar.end(`${tasks} tasks`);
    process.stdout.write(`no-ops, ${where}\n${table(samples)}\n\n`);
    isFlat = judge("the executor", growthOf(samples)) && isFlat;
    if (where === "in a runner")
      isFlat =
        judge(
          "its runners",
          growthOf(samples, (one) => one.runnersBytes),
        ) && isFlat;
  }
  process.exitCode = isFlat ? 0 : 1;
}

/** Says it, and tells whether it stayed flat. */
function judge(what: string, growth: number): boolean {
  const isFlat = growth <= MOST_GROWTH;
  const grown = `${(growth * 100).toFixed(1)} % from first to last, at most ${MOST_GROWTH * 100} %`;
  process.stdout.write(`${what}: ${isFlat ? "flat" : "not flat"}: ${grown}\n\n`);
  return isFlat;
}
