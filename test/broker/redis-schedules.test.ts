/**
 * Schedules that the first version has written to Redis: a hash of definitions, and their next times in a sorted set.
 */
import assert from "node:assert/strict";
import { Redis } from "ioredis";
import { NEW_STATE } from "../../src/broker/schedule-text.ts";
import { ScheduleFiring } from "../../src/executor/upkeep/schedules.ts";
import { onRedis } from "../client/stage.ts";

onRedis("schedules of the first version are read, fired once and go on", async ({ executor, redis }) => {
  const broker = await executor();
  const dueAt = Math.round(broker.now()) - 5;
  const old = { name: "old", cron: "@hourly", timezone: null, type: "report", queue: "other", priority: 1 };
  const stored = JSON.stringify({ ...old, payload: '{"a":1}', retentionMs: 5_000, lastAt: 100 });
  const client = new Redis(redis.url);
  try {
    await client.hset("taskexe:schedules", "old", stored, "broken", "{", "foreign", '{"name":1}');
    await client.zadd("taskexe:schedule-times", dueAt, "old");
    const options = { queue: "other", priority: 1, retentionMs: 5_000 };
    const head = {
      name: "old",
      cron: "@hourly",
      timezone: null,
      type: "report",
      payload: '{"a":1}',
      retentionMs: 5_000,
    };
    const read = {
      ...head,
      options,
      defaults: null,
      overlap: null,
      ...NEW_STATE,
      nextAt: dueAt,
      lastAt: 100,
      revision: "",
    };
    assert.deepEqual(await broker.schedules(), [read]);
    assert.deepEqual(await broker.schedule("old"), read);

    const look = () => new ScheduleFiring(broker, () => ({})).look();
    await Promise.all([look(), look()]);
    await look();
    const record = await broker.record(`cron-old-${dueAt}`);
    assert.deepEqual([record?.queue, record?.priority], ["other", 1]);
    const after = await broker.schedule("old");
    assert.equal(after?.lastAt, dueAt);
    assert.ok((after?.nextAt ?? 0) > dueAt);
    assert.deepEqual(
      after?.runs.map(({ at }) => at),
      [dueAt],
    );
    assert.equal(await client.exists("taskexe:schedule-times"), 0, "the next time stands in one place");
  } finally {
    client.disconnect();
  }
});
