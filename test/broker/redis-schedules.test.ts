/**
 * Schedules that the first version has written to Redis: a hash of definitions, and their next times in a sorted set.
 */
import assert from "node:assert/strict";
import { Redis } from "ioredis";
import { NEW_STATE } from "../../src/broker/schedule-text.ts";
import { ScheduleFiring } from "../../src/executor/upkeep/schedules.ts";
import { onRedis } from "../stage/broker.ts";
import { storedSchedules } from "../stage/stored-schedules.ts";

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
    assert.deepEqual(await storedSchedules(broker), [read]);
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

onRedis("schedules changed in one turn travel in few scripts, and one that fails is told alone", async (stage) => {
  const broker = await stage.executor();
  const client = new Redis(stage.redis.url);
  try {
    await client.set("te.0.other", "no stream");
    const head = { cron: "@hourly", timezone: null, type: "report", payload: "1", options: {}, defaults: {} };
    const change = (name: string, queue = "common") => {
      const message = JSON.stringify({ id: `run-${name}`, task_type: "report", payload: 1 });
      const request = { id: `run-${name}`, type: "report", queue, priority: 0, retentionMs: 60_000, message };
      return broker.changeSchedule({
        ...{ name, revision: null, definition: { ...head, name, overlap: null, retentionMs: 60_000 } },
        ...{ state: NEW_STATE, enqueue: { request, otherwise: NEW_STATE } },
      });
    };
    await change("first");
    await client.config("RESETSTAT");
    const names = Array.from({ length: 100 }, (_, index) => `s${index}`);
    const told = await Promise.allSettled(names.map((name) => change(name, name === "s50" ? "other" : "common")));
    const scripts = Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info("commandstats"))?.[1]);
    // The one that failed is asked alone for its reason.
    assert.ok(scripts <= 10, `${scripts} scripts`);
    for (const [index, each] of told.entries()) {
      if (index === 50) continue;
      const receipt = { id: `run-s${index}`, created: true, state: "queued" };
      assert.deepEqual(each, { status: "fulfilled", value: { changed: true, receipt } });
    }
    assert.match(String(told[50]?.status === "rejected" && told[50].reason), /te\.0\.other/);
    assert.equal(await client.xlen("te.0.common"), 100);
    assert.equal(await broker.countSchedules(), 100, "of the one that failed nothing stands");
    const again = await Promise.all([change("twice"), change("twice")]);
    assert.deepEqual(
      again.map(({ changed }) => changed),
      [true, false],
    );
  } finally {
    client.disconnect();
  }
});
