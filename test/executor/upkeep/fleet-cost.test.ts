/**
 * What executors that have nothing to do ask of Redis: each of them as much in a fleet of fifty as alone.
 * @long about 35 s
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Redis } from "ioredis";
import { createBroker } from "../../../src/broker/drivers.ts";
import { openRoot } from "../../../src/concurrency/index.ts";
import { Executor } from "../../../src/executor/executor.ts";
import { HandlerRegistry } from "../../../src/handlers/registry.ts";
import { type RedisServer, startRedis } from "../../stage/redis/server.ts";
import { until } from "../../stage/until.ts";

const SOON_MS = 60_000;
/** How long is measured, in ms: one clean-up, which comes every ten seconds, is in it. */
const WINDOW_MS = 11_000;
/** Commands that one idle executor may send in a second, those of its scripts counted one by one. */
const MOST_A_SECOND = 36;

let server: RedisServer;
let redis: Redis;

before(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});

after(async () => {
  redis.disconnect();
  await server.stop();
});

/** Starts so many executors, gives them to `use`, and ends them. */
async function withExecutors(count: number, use: (executors: readonly Executor[]) => Promise<void>): Promise<void> {
  await redis.flushall();
  const executors: Executor[] = [];
  const runs: Promise<void>[] = [];
  for (let n = 0; n < count; n++) {
    const name = `one-of-many-${n}`;
    const broker = await createBroker(server.url, { executor: name, queues: ["common"], leaseMs: 30_000 });
    const options = { name, version: "0", concurrency: 4, graceMs: 100, queues: ["common"] };
    const executor = new Executor({ broker, handlers: new HandlerRegistry(), options });
    executors.push(executor);
    runs.push(executor.run(openRoot()));
  }
  try {
    await until("all are ready", SOON_MS, () => executors.every((executor) => executor.readiness().ready));
    await use(executors);
  } finally {
    for (const executor of executors) executor.drain("the test is over");
    await Promise.all(runs);
  }
}

/** How often each command was called, and when, in ms on the monotonic clock. */
interface Calls {
  readonly at: number;
  readonly of: ReadonlyMap<string, number>;
}

async function calls(): Promise<Calls> {
  const text = await redis.info("commandstats");
  const lines = text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm);
  return { at: performance.now(), of: new Map([...lines].map(([, name = "", count]) => [name, Number(count)])) };
}

/** How often some commands, or all of them, were called between two answers of `calls`. */
function grown(from: Calls, to: Calls, names: Iterable<string> = to.of.keys()): number {
  return [...names].reduce((sum, name) => sum + (to.of.get(name) ?? 0) - (from.of.get(name) ?? 0), 0);
}

/** Commands a second and executor. */
interface Rate {
  readonly all: number;
  /** Of those, reads of a last beat. */
  readonly beats: number;
}

async function idleRate(count: number): Promise<Rate> {
  let rate: Rate = { all: 0, beats: 0 };
  await withExecutors(count, async () => {
    const from = await calls();
    await until("the window is over", SOON_MS, () => performance.now() - from.at >= WINDOW_MS);
    const to = await calls();
    const each = (count * (to.at - from.at)) / 1_000;
    rate = { all: grown(from, to) / each, beats: grown(from, to, ["zrevrange"]) / each };
  });
  return rate;
}

for (const count of [1, 10, 50]) {
  test(`of ${count} idle executors each asks Redis a few things a second`, { timeout: 60_000 }, async () => {
    const rate = await idleRate(count);
    const told = JSON.stringify(rate);
    assert.ok(rate.all <= MOST_A_SECOND, told);
    // Each looks at its own before it beats; one of the fleet looks through all now and then.
    assert.ok(rate.beats <= 2, told);
  });
}

test("nothing is read for /status while nobody looks, and once for all who do", { timeout: 60_000 }, async () => {
  await withExecutors(1, async ([executor]) => {
    assert.ok(executor);
    const READS = ["zrevrange"];
    const unseen = await calls();
    await until("seconds go by", SOON_MS, () => performance.now() - unseen.at > 2_500);
    const before = await calls();
    // At the most one beat, and one look through the fleet for those that have gone.
    assert.ok(grown(unseen, before, READS) <= 2, "it is read though nobody looks");
    await Promise.all(Array.from({ length: 50 }, () => executor.look()));
    assert.equal(executor.status().fleet.length, 1);
    const counted = executor.status().counted_at ?? "";
    assert.ok(Date.parse(executor.status().now) - Date.parse(counted) < 1_000, counted);
    assert.ok(grown(before, await calls(), READS) <= 3, "it is read for each who looks");
  });
});
