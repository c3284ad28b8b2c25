/** What a Redis that was restarted says of its queues. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { outcomeOf, requests } from "../../scripts/soak/scale-stage.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { startRedis } from "../stage/redis/server.ts";
import { until } from "../stage/until.ts";

test("a restarted Redis counts no task as queued that was done since it last rewrote its file", {
  timeout: 60_000,
}, async () => {
  const redis = await startRedis({ appendonly: true });
  const broker = await createBroker(redis.url, { executor: "only", queues: ["common"], leaseMs: 30_000 });
  const direct = new Redis(redis.url);
  direct.on("error", () => undefined);
  const work = async (): Promise<void> => {
    await broker.enqueue(requests(100));
    const claimed = await broker.claim(100, openRoot().signal);
    assert.equal(claimed.length, 100);
    await broker.complete(claimed.map((delivery) => outcomeOf(delivery, "done", 0)));
  };
  try {
    await broker.open(openRoot().signal);
    await work();
    await direct.bgrewriteaof();
    await until("the file is rewritten", 20_000, async () => {
      const info = await direct.info("persistence");
      return info.includes("aof_rewrite_in_progress:0") && info.includes("aof_rewrite_scheduled:0");
    });
    await work();
    await redis.kill("SIGKILL");
    await redis.restart();
    const counts = await until("Redis answers again", 20_000, () => broker.counts());
    assert.deepEqual(
      counts.map(({ queued, running }) => ({ queued, running })),
      [{ queued: 0, running: 0 }],
    );
    await broker.enqueue(requests(7));
    assert.equal((await broker.counts())[0]?.queued, 7);
  } finally {
    direct.disconnect();
    await broker.close();
    await redis.stop();
  }
});
