/**
 * The series of heartbeats as RagFlow's readers walk through it: what was sent between two beats that were due is gone.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Redis } from "ioredis";
import { RedisBroker } from "../../src/broker/redis/redis-broker.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { type RedisServer, startRedis } from "../stage/redis/server.ts";

let server: RedisServer;
before(async () => {
  server = await startRedis();
});
after(() => server.stop());

test("only beats that were due stay in the series, and only the last of them whole", async () => {
  const redis = new Redis(server.port, "127.0.0.1", { db: 1 });
  const broker = new RedisBroker(server.url, {
    executor: "beater",
    queues: ["common"],
    leaseMs: 5_000,
  });
  try {
    await broker.open(openRoot().signal);
    const series = () => redis.zrange("beater", "0", "-1");
    await broker.beat('{"n":1}');
    for (const n of [2, 3, 4]) await broker.beat(`{"n":${n}}`, false);
    assert.deepEqual(await series(), ['{"n":1}', '{"n":4}']);
    await broker.beat('{"n":5}');
    assert.deepEqual(await series(), ['{"n":1}', '{"n":5}']);
    await broker.beat('{"n":6}', false);
    await broker.beat('{"n":7,"whole":true}', true, '{"n":7}');
    const times = await redis.zrange("beater", "0", "-1", "WITHSCORES");
    assert.deepEqual(await series(), ['{"n":1}', '{"n":5}', '{"n":7,"whole":true}']);
    await broker.beat('{"n":8,"whole":true}', false, '{"n":8}');
    assert.deepEqual(await series(), ['{"n":1}', '{"n":5}', '{"n":7}', '{"n":8,"whole":true}']);
    await broker.beat('{"n":9,"whole":true}', true, '{"n":9}');
    await broker.leave('{"n":10}');
    assert.deepEqual(await series(), ['{"n":1}', '{"n":5}', '{"n":7}', '{"n":9}', '{"n":10}']);
    assert.equal(await redis.zscore("beater", '{"n":7}'), times.at(-1), "it keeps its time");
  } finally {
    await broker.close();
    redis.disconnect();
  }
});
