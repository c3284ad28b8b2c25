/**
 * One soak: a broker, three executors, a producer, and somebody who kills executors and Redis at random. What is
 * killed when depends on the seed; what exactly it meets is chance.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Broker } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { type CancelScope, openRoot, sleep, withNursery } from "../../src/concurrency/index.ts";
import { type RedisServer, startRedis } from "../../test/stage/redis/server.ts";
import type { Account } from "./account/account.ts";
import { ClockWatch } from "./clock-watch.ts";
import { DONE_LIMIT, Executors } from "./executors.ts";
import { type Fed, Feed } from "./feed.ts";
import { planTasks } from "./kinds.ts";
import { type Random, randomOf } from "./random.ts";
import { tidyUp } from "./tidy.ts";
import { type Evidence, type Verdict, verify } from "./verify.ts";

const EXECUTORS = 3;
/** Between two kills of an executor from outside, in ms. */
const EXECUTOR_KILL_MS = { least: 1_000, most: 6_000 };
/** Between two kills of Redis, in ms, and how long it stays away. */
const REDIS_KILL_MS = { least: 8_000, most: 20_000 };
const REDIS_AWAY_MS = { least: 0, most: 1_500 };
/** Tasks are enqueued until so long before the end, in ms, but at least for half of the time. */
const DRAIN_MS = 20_000;
/**
 * How long nothing may end, in ms: the last task of all may be unlucky, and be killed with its executor several times.
 */
const STUCK_MS = 90_000;
/** What all executors keep their state in, below the folder of the soak. */
const STATE = "state";

export interface SoakOptions {
  readonly tasks: number;
  readonly minutes: number;
  readonly seed: number;
  readonly broker: "redis" | "sqlite";
}

export interface SoakReport {
  readonly fed: Fed;
  readonly verdict: Verdict;
  /** What is left behind once an executor has had the time to tidy up. */
  readonly account: Account;
  /** Logs and ledger; it stays where something is wrong. */
  readonly folder: string;
  readonly seconds: number;
  /** The largest step of this machine's clock meanwhile, in ms; 0: none. */
  readonly clockStepMs: number;
  readonly starts: number;
  readonly sameName: number;
  readonly deaths: number;
  readonly killedExecutors: number;
  readonly killedRedis: number;
}

/** What is wrong, one sentence each; empty: all is well. */
export function problemsOf({ verdict, account }: Pick<SoakReport, "verdict" | "account">): readonly string[] {
  return [...verdict.problems, ...account.problems];
}

interface Chaos {
  redisKills: number;
}

/**
 * Runs one soak.
 *
 * @param tell - is told how far it is, several times a second.
 * @throws Error when nothing moves any more, or an executor ends by itself; the folder with its log then stays.
 */
export async function soak(options: SoakOptions, tell: (done: number, text: string) => void): Promise<SoakReport> {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-soak-"));
  const redis = options.broker === "redis" ? await startRedis({ appendonly: true }) : null;
  try {
    const url = redis?.url ?? `sqlite:${join(folder, STATE, "queue.db")}`;
    const report = await run(options, folder, url, redis, openRoot(), tell);
    if (problemsOf(report).length === 0) await rm(folder, { recursive: true, force: true });
    return report;
  } catch (error) {
    throw new Error(`the soak with --seed ${options.seed} failed; logs and ledger are in ${folder}`, { cause: error });
  } finally {
    await redis?.stop();
  }
}

async function run(
  options: SoakOptions,
  folder: string,
  url: string,
  redis: RedisServer | null,
  scope: CancelScope,
  tell: (done: number, text: string) => void,
): Promise<SoakReport> {
  const ledger = join(folder, "ledger");
  await writeFile(ledger, "");
  const state = join(folder, STATE);
  await mkdir(state, { mode: 0o700 });
  const plan = planTasks(options.tasks, options.seed);
  const executors = new Executors({ folder, state, broker: url, ledger }, randomOf(options.seed + 1));
  const chaos: Chaos = { redisKills: 0 };
  const clock = new ClockWatch();
  const broker = await createBroker(url, { executor: null, queues: ["common"], leaseMs: 3_000 });
  await broker.open(scope.signal);
  try {
    const begun = performance.now();
    let fed: Fed | null = null;
    await withNursery(scope, async (nursery) => {
      nursery.startSoon(({ signal }) => clock.run(signal));
      executors.run(EXECUTORS, nursery);
      await withNursery(nursery.scope, async (troubles) => {
        troubles.startSoon(({ signal }) => killExecutors(executors, randomOf(options.seed + 2), signal));
        if (redis) troubles.startSoon(({ signal }) => killRedis(redis, chaos, randomOf(options.seed + 3), signal));
        const feed = new Feed(broker, troubles.scope.signal);
        const allMs = options.minutes * 60_000;
        const feedMs = Math.max(allMs - DRAIN_MS, allMs / 2);
        fed = await feed.run(plan, feedMs, (done) => tell(done, `${done} enqueued`));
        const { length } = fed.tasks;
        await feed.drained(STUCK_MS, (open) => tell(length - open, `${open} open`));
        troubles.scope.cancel("all has ended");
      });
      nursery.scope.cancel("all has ended");
    });
    if (fed === null) throw new Error("the soak was broken off");
    const seconds = (performance.now() - begun) / 1_000;
    if (redis) await redis.restart();
    const verdict = await verifyAnew(url, { fed, ledger, clockStepMs: clock.largestStepMs }, scope.signal);
    const limits = { doneLimit: DONE_LIMIT, cancelledLimit: 100_000, deadLimit: 10_000 };
    const account = await tidyUp({ url, folder: state, limits }, scope);
    const { starts, sameName, deaths, killed } = executors;
    const kills = { deaths, killedExecutors: killed, killedRedis: chaos.redisKills };
    const { largestStepMs: clockStepMs } = clock;
    return { fed, verdict, account, folder, seconds, clockStepMs, starts, sameName, ...kills };
  } finally {
    await broker.close();
  }
}

/** With a client of its own, and over Redis after one more restart: what is judged is what is on the disk. */
async function verifyAnew(url: string, evidence: Evidence, signal: AbortSignal): Promise<Verdict> {
  const broker: Broker = await createBroker(url, { executor: null, queues: ["common"], leaseMs: 3_000 });
  await broker.open(signal);
  try {
    return await verify(broker, evidence);
  } finally {
    await broker.close();
  }
}

async function killExecutors(executors: Executors, random: Random, signal: AbortSignal): Promise<never> {
  for (;;) {
    await sleep(random.between(EXECUTOR_KILL_MS.least, EXECUTOR_KILL_MS.most), signal);
    executors.killOne();
  }
}

async function killRedis(redis: RedisServer, chaos: Chaos, random: Random, signal: AbortSignal): Promise<never> {
  for (;;) {
    await sleep(random.between(REDIS_KILL_MS.least, REDIS_KILL_MS.most), signal);
    await redis.kill("SIGKILL");
    chaos.redisKills++;
    await sleep(random.between(REDIS_AWAY_MS.least, REDIS_AWAY_MS.most), signal);
    await redis.restart();
  }
}
