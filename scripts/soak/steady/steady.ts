/**
 * A long soak at a steady rate: mixed tasks, two executors that nobody kills, and readings of all that might grow.
 * After the warm-up each series must stay flat; the rate must be held; and what is left at the end must be explained.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import type { Broker } from "../../../src/broker/broker.ts";
import { createBroker } from "../../../src/broker/drivers.ts";
import { openRoot, sleep } from "../../../src/concurrency/index.ts";
import { ExecutorProcess } from "../../../test/stage/executor.ts";
import { startRedis } from "../../../test/stage/redis/server.ts";
import type { Account } from "../account/account.ts";
import { randomOf } from "../random.ts";
import { tidyUp } from "../tidy.ts";
import { DEAD_LIMIT, type MixedTask, mixedTask } from "./mix.ts";
import { fileSeries, type Judged, processSeries, redisSeries, Samples } from "./series.ts";

const EXECUTORS = 2;
const CONCURRENCY = 100;
/** How often the producer puts what is due by its rate, and how many in one call. */
const TICK_MS = 50;
const BATCH = 500;
/** The readings of a run, at the most; and the shortest time between two, in ms. */
const MOST_READINGS = 600;
const SHORTEST_READING_MS = 500;
/** So many seconds' worth may wait before the producer holds back: what it holds back is missing from the rate. */
const MOST_WAITING_S = 5;
/** Which part of the rate must have been held. */
const HELD = 0.95;
/** How long what is left may take to end, in ms. */
const DRAIN_MS = 120_000;

export interface SteadyOptions {
  readonly broker: "redis" | "sqlite";
  /** Tasks a second. */
  readonly rate: number;
  /** In all, the warm-up with it. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly seed: number;
}

export interface SteadyReport {
  readonly options: SteadyOptions;
  /** How many were enqueued, and how many executors ended. */
  readonly enqueued: number;
  readonly ended: number;
  /** How many a second were enqueued after the warm-up. */
  readonly rate: number;
  readonly judged: readonly Judged[];
  readonly account: Account;
  /** One sentence each; empty: all is well. */
  readonly problems: readonly string[];
}

/** @param tell - is told how far it is, in s, several times a second. */
export async function steady(
  options: SteadyOptions,
  tell: (seconds: number, text: string) => void,
): Promise<SteadyReport> {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-steady-"));
  const state = join(folder, "state");
  await mkdir(state, { mode: 0o700 });
  const redis = options.broker === "redis" ? await startRedis() : null;
  const path = join(state, "queue.db");
  const url = redis?.url ?? `sqlite:${path}`;
  const direct = redis === null ? null : new Redis(redis.url);
  const executors: ExecutorProcess[] = [];
  const scope = openRoot();
  const broker = await createBroker(url, { executor: null, queues: ["common"], leaseMs: 30_000 });
  try {
    await broker.open(scope.signal);
    for (let n = 1; n <= EXECUTORS; n++) executors.push(await startExecutor(url, state));
    const own = direct === null ? fileSeries(path) : redisSeries(direct);
    const name = (n: number): string => `${options.broker}: executor ${n + 1}`;
    const samples = new Samples([...own, ...executors.flatMap(({ pid }, n) => processSeries(name(n), pid))]);
    const { enqueued, rate } = await feed(broker, options, samples, tell);
    await drained(broker, scope.signal);
    const statuses = await Promise.all(executors.map((executor) => executor.status()));
    const ended = statuses.reduce((sum, { done, dead, cancelled }) => sum + done + dead + cancelled, 0);
    for (const executor of executors) await leave(executor);
    const limits = { doneLimit: 100_000, cancelledLimit: 100_000, deadLimit: DEAD_LIMIT };
    const account = await tidyUp({ url, folder: state, limits }, scope);
    const judged = samples.judge();
    const problems = [
      ...(rate < options.rate * HELD ? [`only ${Math.round(rate)} of ${options.rate} tasks a second were held`] : []),
      ...(ended < enqueued * HELD ? [`only ${ended} of ${enqueued} tasks were ended by the executors`] : []),
      ...judged.filter(({ isFlat }) => !isFlat).map((one) => `${one.name} grows`),
      ...account.problems,
    ];
    return { options, enqueued, ended, rate, judged, account, problems };
  } finally {
    for (const executor of executors) await executor.end();
    await broker.close();
    direct?.disconnect();
    await redis?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function startExecutor(url: string, state: string): Promise<ExecutorProcess> {
  return ExecutorProcess.start({
    broker: url,
    folder: state,
    tasks: join(import.meta.dirname, "../tasks"),
    concurrency: CONCURRENCY,
    // Tasks that fail write a line each: those are not what is looked at.
    env: { TASKEXE_DEAD_LIMIT: String(DEAD_LIMIT) },
  });
}

async function leave(executor: ExecutorProcess): Promise<void> {
  executor.kill("SIGTERM");
  const { code } = await executor.exit;
  if (code !== 0) throw new Error(`an executor left with ${code}:\n${executor.output().slice(-2_000)}`);
}

/** Enqueues at the rate until the time is over, and takes the readings once the warm-up is. */
async function feed(
  broker: Broker,
  { rate, seconds, warmUpSeconds, seed, broker: kind }: SteadyOptions,
  samples: Samples,
  tell: (seconds: number, text: string) => void,
): Promise<{ readonly enqueued: number; readonly rate: number }> {
  const random = randomOf(seed);
  const { signal } = openRoot();
  const everyMs = Math.max(SHORTEST_READING_MS, ((seconds - warmUpSeconds) * 1_000) / MOST_READINGS);
  const begun = performance.now();
  const elapsed = (): number => (performance.now() - begun) / 1_000;
  let [put, enqueued, atWarmUp, warmAt, readAt, heldBack, waiting, lookedAt] = [0, 0, 0, 0, 0, 0, 0, 0];
  let toCancel: string[] = [];
  while (elapsed() < seconds) {
    const due = Math.floor(elapsed() * rate) - heldBack;
    if (waiting > rate * MOST_WAITING_S) heldBack += Math.max(0, due - put);
    else {
      const now: MixedTask[] = Array.from({ length: Math.min(due - put, rate) }, () => mixedTask(random));
      for (let at = 0; at < now.length; at += BATCH) {
        const receipts = await broker.enqueue(now.slice(at, at + BATCH).map(({ request }) => request));
        enqueued += receipts.filter(({ created }) => created).length;
      }
      put += now.length;
      if (toCancel.length > 0) await broker.cancel(toCancel);
      toCancel = now.filter((task) => task.kind === "cancelled").map(({ request }) => request.id);
    }
    if (elapsed() - lookedAt > 1) {
      lookedAt = elapsed();
      const { pending, lag } = await broker.backlog();
      waiting = pending + lag;
    }
    if (elapsed() >= warmUpSeconds) {
      if (warmAt === 0) [warmAt, atWarmUp] = [elapsed(), enqueued];
      if (performance.now() - readAt >= everyMs) {
        readAt = performance.now();
        await samples.take();
      }
    }
    tell(elapsed(), `${kind} ${enqueued} enqueued, ${waiting} wait${elapsed() < warmUpSeconds ? ", warming up" : ""}`);
    await sleep(TICK_MS, signal);
  }
  return { enqueued, rate: (enqueued - atWarmUp) / (elapsed() - warmAt) };
}

async function drained(broker: Broker, signal: AbortSignal): Promise<void> {
  const until = performance.now() + DRAIN_MS;
  for (let empty = 0; empty < 3; ) {
    const counts = await broker.counts();
    const open = counts.reduce((sum, { queued, running, scheduled }) => sum + queued + running + scheduled, 0);
    empty = open === 0 ? empty + 1 : 0;
    if (performance.now() > until) throw new Error(`${open} tasks had not ended ${DRAIN_MS} ms after the last came`);
    await sleep(200, signal);
  }
}
