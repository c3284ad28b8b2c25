/**
 * Queues that no executor serves any more: the fleet knows each that was ever used, cleans it, and removes it with all
 * its keys once it is empty and unused; those of others stay.
 */
import assert from "node:assert/strict";
import type { Broker, BrokerOptions } from "../../src/broker/broker.ts";
import type { ScheduleDefinition } from "../../src/broker/contract/schedules.ts";
import {
  FOREIGN_QUEUES_KEY,
  GROUP,
  logOrderKey,
  logSizesKey,
  QUEUE_RULES_KEY,
  QUEUE_WALK_KEY,
  QUEUES_KEY,
  QUEUES_TENDED_KEY,
  recordKey,
  streamKey,
} from "../../src/broker/redis/keys.ts";
import { claimAll, claimOne, dead, done, idOf, QUEUE, task } from "../stage/outcomes.ts";
import type { SentenceStage } from "../stage/sentences.ts";
import { eventually } from "../stage/until.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis } = redisSentences();
const OLD = "old";
/** As if a day were over at once. */
const AT_ONCE: Partial<BrokerOptions> = { queueUnusedMs: 1, heartbeatTimeoutMs: 1 };

const NIGHTLY: ScheduleDefinition = {
  ...{ name: "nightly", cron: "0 0 * * *", timezone: null, type: "noop", payload: "{}", retentionMs: 0 },
  ...{ options: { queue: OLD }, defaults: null, overlap: null },
};
const NEVER = { lastAt: null, paused: false, waitingAt: null, runs: [], skipped: 0, lastSkippedAt: null };

/** An executor cleans up, whoever did so a moment ago. */
async function clean(broker: Broker): Promise<readonly string[]> {
  await redis().del(QUEUES_TENDED_KEY);
  return (await broker.clean()).dropped ?? [];
}

/** Cleans up until the queue is gone. */
function gone(broker: Broker, name: string): Promise<void> {
  return eventually(15_000, async () => (await clean(broker)).includes(name));
}

/** A queue that was served: what was in it has been done, and its executor is gone. */
async function usedQueue(stage: SentenceStage, other: { readonly retentionMs?: number } = {}): Promise<void> {
  const { retentionMs = 0 } = other;
  const before = await stage.open("before", { queues: [OLD] });
  await before.enqueue([task("t0", { queue: OLD, retentionMs })]);
  const delivery = await claimOne(before, stage.signal);
  await before.appendLogs([{ id: "t0", queue: OLD, lines: [{ at: 1, level: "info", text: "it runs" }] }]);
  await before.complete([done(delivery, { retentionMs, recorded: retentionMs > 0 })]);
  await before.close();
}

async function keysOf(queue: string): Promise<string[]> {
  return (await redis().keys("*")).filter((key) => key.split(/[.:]/).includes(queue)).sort();
}

sentence("what is over in a queue that no executor serves goes as in any other, by its own rules", async (stage) => {
  const before = await stage.open("before", { queues: [OLD], doneLimit: 2, deadLimit: 1 });
  await before.enqueue([...Array(6).keys()].map((index) => task(`t${index}`, { queue: OLD })));
  const held = await claimAll(before, 6, stage.signal);
  await before.complete(held.slice(0, 4).map((delivery) => done(delivery)));
  await before.complete(held.slice(4).map((delivery) => dead(delivery)));
  await before.close();
  // A fleet of other queues, which keeps fewer of its own.
  const after = await stage.open("after", { doneLimit: 1 });
  await clean(after);
  assert.equal(await redis().zcard(`taskexe:done:${OLD}`), 2);
  assert.equal(await redis().zcard(`taskexe:dead:${OLD}`), 1);
  assert.equal(await redis().exists(recordKey("t0")), 0);
});

sentence("a queue that is empty and was not used for long goes with all its keys", async (stage) => {
  await usedQueue(stage);
  assert.deepEqual(await keysOf(OLD), [logOrderKey(OLD), logSizesKey(OLD), streamKey(OLD, 0), streamKey(OLD, 1)]);
  await gone(await stage.open("after", AT_ONCE), OLD);
  assert.deepEqual(await keysOf(OLD), []);
  assert.deepEqual(await redis().zrange(QUEUES_KEY, "0", "-1"), [QUEUE]);
  assert.equal(await redis().hexists(QUEUE_RULES_KEY, OLD), 0);
});

sentence("it stays for a day, and while anything is in it", async (stage) => {
  await usedQueue(stage, { retentionMs: 60_000 });
  assert.deepEqual(await clean(await stage.open("patient", { heartbeatTimeoutMs: 1 })), []);
  const after = await stage.open("after", AT_ONCE);
  const holds = async (what: string) => {
    for (let look = 0; look < 3; look += 1) assert.deepEqual(await clean(after), [], what);
  };
  await holds("a done task");
  await after.purge({ state: "done", queue: OLD }, 10);
  await after.pause({ kind: "queue", name: OLD });
  await holds("a pause");
  await after.resume({ kind: "queue", name: OLD });
  await after.enqueue([task("later", { queue: OLD, delayMs: 60_000 })]);
  await holds("a scheduled task");
  await after.cancel(["later"]);
  await holds("a cancelled task");
  await after.purge({ state: "cancelled", queue: OLD }, 10);
  const state = { ...NEVER, nextAt: Date.now() + 3_600_000 };
  await after.changeSchedule({ name: "nightly", revision: null, definition: NIGHTLY, state });
  await holds("a schedule");
  await after.removeSchedule("nightly");
  await redis().xadd(streamKey(OLD, 0), "*", "message", task("waits").message);
  await holds("a task that waits");
  assert.equal(await redis().xlen(streamKey(OLD, 0)), 1);
});

sentence("what is put into it as it goes waits there, and a reader goes on at once", async (stage) => {
  await usedQueue(stage);
  const after = await stage.open("after", AT_ONCE);
  // As one that was stopped for days: it does not know that its streams have gone.
  const asleep = await stage.open("asleep", { queues: [OLD] });
  await gone(after, OLD);
  assert.deepEqual(await keysOf(OLD), []);
  const client = await stage.open(null, { queues: [OLD] });
  const ids = [...Array(20).keys()].map((index) => `t${index}`);
  const ended: string[] = [];
  const ending = (async () => {
    while (ended.length < ids.length) {
      const delivery = await claimOne(asleep, stage.signal);
      assert.deepEqual(await asleep.complete([done(delivery, { retentionMs: 0, recorded: false })]), ["recorded"]);
      ended.push(idOf(delivery));
    }
  })();
  let dropped = 0;
  for (const id of ids) {
    await client.enqueue([task(id, { queue: OLD, retentionMs: 0 })]);
    for (let look = 0; look < 15; look += 1) dropped += (await clean(after)).includes(OLD) ? 1 : 0;
  }
  await ending;
  assert.deepEqual(ended.sort(), ids.toSorted());
  assert.ok(dropped > 0, "it went at least once more");
});

sentence("streams that others have made stay, with what reads them", async (stage) => {
  const stream = streamKey(OLD, 0);
  await redis().xgroup("CREATE", stream, GROUP, "0", "MKSTREAM");
  await usedQueue(stage);
  const after = await stage.open("after", AT_ONCE);
  for (let look = 0; look < 3; look += 1) assert.deepEqual(await clean(after), []);
  assert.equal(await redis().exists(stream), 1);
  assert.deepEqual(await redis().smembers(FOREIGN_QUEUES_KEY), [OLD]);
  await redis().del(stream, streamKey(OLD, 1));
  await gone(after, OLD);
  assert.deepEqual(await redis().smembers(FOREIGN_QUEUES_KEY), []);
});

sentence("a queue is not removed under an executor of another kind that reads it", async (stage) => {
  await usedQueue(stage);
  const after = await stage.open("after", { queueUnusedMs: 1, heartbeatTimeoutMs: 200 });
  const stream = streamKey(OLD, 0);
  const consumers = async () => JSON.stringify(await redis().xinfo("CONSUMERS", stream, GROUP));
  await eventually(15_000, async () => {
    await redis().xreadgroup("GROUP", GROUP, "foreign", "COUNT", 1, "STREAMS", stream, "0");
    assert.deepEqual(await clean(after), []);
    return !(await consumers()).includes("before");
  });
  assert.match(await consumers(), /"foreign"/);
  await gone(after, OLD);
});

sentence("the queue that every producer knows stays, and so does one that an executor serves", async (stage) => {
  const [after, common] = [await stage.open("after", AT_ONCE), await stage.open("common", { queues: ["common"] })];
  await common.close();
  for (let look = 0; look < 3; look += 1) assert.deepEqual(await clean(after), []);
  assert.equal(await redis().exists(streamKey(QUEUE, 0), streamKey("common", 0)), 2);
});

sentence("queues of an earlier version, and of other producers, are found and cleaned", async (stage) => {
  await usedQueue(stage, { retentionMs: 1 });
  await redis().xadd("te.1.foreign", "*", "message", "{}");
  await redis().del(QUEUES_KEY, QUEUE_RULES_KEY, FOREIGN_QUEUES_KEY);
  const after = await stage.open("after");
  await eventually(15_000, async () => {
    await clean(after);
    return (await redis().exists(recordKey("t0"))) === 0;
  });
  assert.deepEqual((await redis().zrange(QUEUES_KEY, "0", "-1")).sort(), ["foreign", OLD, QUEUE].sort());
  assert.deepEqual((await redis().smembers(FOREIGN_QUEUES_KEY)).sort(), ["foreign", OLD].sort());
  assert.equal(await redis().hexists(QUEUE_WALK_KEY, "found_at"), 1);
});

sentence("a process writes a queue down when it uses it first, and not again with each task", async (stage) => {
  const client = await stage.open(null);
  await client.enqueue([task("first")]);
  const usedAt = await redis().zscore(QUEUES_KEY, QUEUE);
  assert.ok(Math.abs(Number(usedAt) - Date.now()) < 60_000);
  await redis().config("RESETSTAT");
  for (let index = 0; index < 10; index += 1) await client.enqueue([task(`t${index}`)]);
  const stats = await redis().info("commandstats");
  assert.match(stats, /cmdstat_evalsha:calls=10,/);
  assert.equal(await redis().zscore(QUEUES_KEY, QUEUE), usedAt);
});

sentence("a thousand queues that nobody serves are looked after in steps of less than 5 ms", async (stage) => {
  const client = await stage.open(null);
  const names = [...Array(1_000).keys()].map((index) => `q${index}`);
  await client.enqueue(names.map((queue) => task(`t-${queue}`, { queue })));
  await client.cancel(names.map((queue) => `t-${queue}`));
  const after = await stage.open("after");
  await redis().config("RESETSTAT");
  await eventually(60_000, async () => {
    await clean(after);
    return ["0", null].includes(await redis().hget(QUEUE_WALK_KEY, "cursor"));
  });
  const stats = await redis().info("commandstats");
  for (const [line = "", name = "", calls, usec] of stats.matchAll(/cmdstat_(\S+?):calls=(\d+),usec=(\d+)/g)) {
    assert.ok(Number(usec) / Number(calls) < 5_000, `${name}: ${line}`);
  }
});
