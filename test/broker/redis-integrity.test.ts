/**
 * What becomes of tasks where Redis refuses a part of what is written: a key of another type stands in the way, as when
 * another program uses the same db. Nothing is acknowledged, enqueued or overwritten by halves, and the error names the
 * key.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Redis } from "ioredis";
import {
  type Broker,
  BrokerUnavailableError,
  type CompletionResult,
  type Delivery,
  type Outcome,
} from "../../src/broker/broker.ts";
import { adviceOn, refusalText, withAdvice } from "../../src/broker/redis/connection/advice.ts";
import {
  cancelFlagKey,
  cancelledKey,
  deadKey,
  doneKey,
  EXECUTORS_KEY,
  GROUP,
  logKey,
  PARKED_TYPES_KEY,
  parkedKey,
  recordKey,
  scheduledKey,
  streamKey,
  uniqueKey,
} from "../../src/broker/redis/keys.ts";
import {
  cancelledBy,
  claimAll,
  claimOne,
  dead,
  done,
  idOf,
  parked,
  QUEUE,
  retry,
  task,
  tasks,
} from "../stage/outcomes.ts";
import type { SentenceStage } from "../stage/sentences.ts";
import { eventually } from "../stage/until.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis: connection } = redisSentences();
let redis: Redis;

before(() => {
  redis = connection();
});

const STREAM = streamKey(QUEUE, 0);
const FOREIGN = "another program's";

async function claimedTasks(stage: SentenceStage, count: number): Promise<{ broker: Broker; claimed: Delivery[] }> {
  const broker = await stage.open("a");
  await broker.enqueue(tasks(count));
  return { broker, claimed: await claimAll(broker, count, stage.signal) };
}

/** What stood there is not touched. */
async function isForeign(key: string): Promise<void> {
  assert.equal(await redis.get(key), FOREIGN, key);
}

async function pendingIds(): Promise<string[]> {
  const pending: unknown = await redis.call("XPENDING", STREAM, GROUP, "-", "+", 100);
  assert.ok(Array.isArray(pending));
  const entries = await Promise.all(pending.map(([entry]) => redis.xrange(STREAM, entry, entry)));
  return entries.flat().map(([, fields]) => JSON.parse(fields[1] ?? "null").id);
}

function refusal(result: CompletionResult | undefined): string {
  assert.ok(typeof result === "object", `it was not refused: ${result}`);
  return result.refused;
}

test("the advice on a key of another type names that key, and no other of the call", () => {
  const said = adviceOn('WRONGTYPE the key "te.0.order-cancel" holds a stream, where a string belongs', ["TASKEXE"]);
  assert.match(said ?? "", /redis-cli TYPE te\.0\.order-cancel\)/);
});

test("what a script was refused is told without the hash and the line of the script", () => {
  const hash = "a3".repeat(20);
  const answer = `OOM command not allowed when used memory > 'maxmemory'. script: ${hash}, on @user_script:21.`;
  assert.match(withAdvice(answer), /^OOM command not allowed when used memory > 'maxmemory'; Redis has reached/);
  const error = Object.assign(new Error(answer), {
    name: "ReplyError",
    command: { name: "evalsha", args: ["x", 1, "te.0.q"] },
  });
  assert.match(refusalText(error), /^Redis refused a script on te\.0\.q: OOM [^;]*'maxmemory'; Redis has reached/);
});

/** Each of these keys is that of one task, or of all. */
const ENDS: readonly (readonly [what: string, key: string, end: (delivery: Delivery) => Outcome])[] = [
  ["retry", scheduledKey(QUEUE), (delivery) => retry(delivery, { delayMs: 60_000 })],
  ["retry whose record is none", recordKey("t1"), (delivery) => retry(delivery, { delayMs: 60_000 })],
  ["dead end", deadKey(QUEUE), (delivery) => dead(delivery)],
  ["cancelled end", cancelledKey(QUEUE), (delivery) => cancelledBy(delivery)],
  ["parked task", parkedKey(QUEUE, "noop"), (delivery) => parked(delivery)],
  ["parked task that nobody would find", PARKED_TYPES_KEY, (delivery) => parked(delivery)],
  ["done end that tells something", doneKey(QUEUE), (delivery) => done(delivery, { told: { progress: 1, log: "x" } })],
  ["done end with a record", recordKey("t1"), (delivery) => done(delivery)],
];

for (const [what, key, end] of ENDS) {
  const ofOneTask = key === recordKey("t1");
  const sentenceOf = `a ${what} that is refused is not acknowledged, says which key, and the others are recorded`;
  sentence(sentenceOf, async (stage) => {
    const { broker, claimed } = await claimedTasks(stage, 3);
    await redis.del(key);
    await redis.set(key, FOREIGN);
    const [first, second, third] = claimed;
    assert.ok(first && second && third);
    // Those beside it write nothing to that key.
    const outcomes = [done(first, { retentionMs: 0 }), end(second), done(third, { retentionMs: 0, recorded: false })];
    if (ofOneTask) {
      const results = await broker.complete(outcomes);
      assert.ok(refusal(results[1]).includes(`"${key}"`), refusal(results[1]));
      assert.deepEqual([results[0], results[2]], ["recorded", "recorded"]);
    } else {
      // No end of that kind can be recorded: the broker refuses, and is asked again until somebody has mended it.
      await assert.rejects(broker.complete(outcomes), (error) => {
        return error instanceof BrokerUnavailableError && error.message.includes(`"${key}"`);
      });
      assert.equal(broker.connection().state, "refusing");
    }
    await isForeign(key);
    assert.deepEqual(await pendingIds(), ["t1"]);
    if (!ofOneTask) assert.equal((await broker.record("t1"))?.state, "running");

    await redis.del(key);
    const again = ofOneTask ? [end(second)] : outcomes;
    assert.deepEqual(
      await broker.complete(again),
      again.map(() => "recorded"),
    );
    assert.deepEqual(await pendingIds(), []);
    await eventually(15_000, () => broker.connection().state === "connected");
  });
}

sentence(
  "of many that are done with a record, one whose record is another's is refused, and no other",
  async (stage) => {
    const { broker, claimed } = await claimedTasks(stage, 4);
    await redis.del(recordKey("t2"));
    await redis.set(recordKey("t2"), FOREIGN);
    const results = await broker.complete(claimed.map((delivery) => done(delivery, { result: "1" })));
    assert.ok(refusal(results[2]).includes(recordKey("t2")));
    assert.deepEqual(results.toSpliced(2, 1), ["recorded", "recorded", "recorded"]);
    assert.deepEqual(await pendingIds(), ["t2"]);
    assert.equal((await broker.record("t3"))?.state, "done");
  },
);

sentence("ends in a stream that somebody has overwritten wait until it is there again", async (stage) => {
  const { broker, claimed } = await claimedTasks(stage, 4);
  await redis.rename(STREAM, "aside");
  await redis.set(STREAM, FOREIGN);
  const outcomes = claimed.map((delivery, index) => {
    return index < 2 ? done(delivery, { retentionMs: 0, recorded: false }) : done(delivery);
  });
  for (const outcome of outcomes) await assert.rejects(broker.complete([outcome]), new RegExp(`WRONGTYPE.*${STREAM}`));
  await isForeign(STREAM);
  await redis.del(STREAM);
  await redis.rename("aside", STREAM);
  assert.deepEqual(
    await broker.complete(outcomes),
    outcomes.map(() => "recorded"),
  );
  assert.deepEqual(await pendingIds(), []);
});

sentence("an enqueue that is refused for one task enqueues none of them", async (stage) => {
  const broker = await stage.open("a", { queues: [QUEUE, "other"] });
  await redis.set(recordKey("t1"), FOREIGN);
  await assert.rejects(broker.enqueue(tasks(3)), new RegExp(`"${recordKey("t1")}" holds a string`));
  await redis.set(uniqueKey(QUEUE, "k"), "nobody");
  await redis.del(uniqueKey(QUEUE, "k"));
  await redis.hset(uniqueKey(QUEUE, "k"), "a", "b");
  const unique = { key: "k", ttlMs: null };
  await assert.rejects(broker.enqueue([task("a"), task("b", { unique })]), /"taskexe:unique:te:k" holds a hash/);
  await redis.del(streamKey("other", 0));
  await redis.set(streamKey("other", 0), FOREIGN);
  for (const retentionMs of [0, 60_000]) {
    const batch = [task("a", { retentionMs }), task("b", { retentionMs, queue: "other" })];
    await assert.rejects(broker.enqueue(batch), /"te\.0\.other" holds a string, where a stream belongs/);
  }
  await redis.set(scheduledKey(QUEUE), FOREIGN);
  await assert.rejects(broker.enqueue([task("a"), task("b", { delayMs: 60_000 })]), /scheduled:te" holds a string/);
  assert.equal(await redis.xlen(STREAM), 0);
  assert.equal(await broker.record("a"), null);
  for (const key of [recordKey("t1"), streamKey("other", 0), scheduledKey(QUEUE)]) await isForeign(key);
});

sentence("a task that cannot be queued when it is due holds up nobody, and is not lost", async (stage) => {
  const broker = await stage.open("a", { queues: [QUEUE, "other"] });
  await broker.enqueue([task("bad", { delayMs: 1, priority: 1 }), task("good", { delayMs: 2 })]);
  await redis.del(streamKey(QUEUE, 1));
  await redis.set(streamKey(QUEUE, 1), FOREIGN);
  const refused: unknown[] = [];
  let promoted = 0;
  await eventually(15_000, async () => {
    const answer = await broker.promote(10);
    promoted += answer.promoted;
    refused.push(...(answer.refused ?? []));
    return promoted === 1 && refused.length > 0;
  });
  assert.deepEqual(refused, [{ id: "bad", reason: `WRONGTYPE the key "${streamKey(QUEUE, 1)}" holds a string` }]);
  await isForeign(streamKey(QUEUE, 1));
  assert.equal((await broker.record("bad"))?.state, "scheduled");
  assert.notEqual(await redis.zscore(scheduledKey(QUEUE), "bad"), null);
});

sentence("a parked task that cannot be queued again holds up nobody, and stays parked", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("bad", { priority: 1 }), task("good")]);
  await broker.pause({ kind: "type", name: "noop" });
  const claimed = await claimAll(broker, 2, stage.signal);
  await broker.complete(claimed.map((delivery) => parked(delivery)));
  await redis.del(streamKey(QUEUE, 1));
  await redis.set(streamKey(QUEUE, 1), FOREIGN);
  await broker.resume({ kind: "type", name: "noop" });
  assert.deepEqual(
    (await broker.promote(10)).refused?.map(({ id }) => id),
    ["bad"],
  );
  assert.equal(await redis.xlen(STREAM), 1);
  assert.notEqual(await redis.zscore(parkedKey(QUEUE, "noop"), "bad"), null);
});

sentence("a task whose record is another's is handed back once", async (stage) => {
  const { broker, claimed } = await claimedTasks(stage, 2);
  await redis.del(recordKey("t0"));
  await redis.set(recordKey("t0"), FOREIGN);
  await broker.release(claimed);
  assert.equal(await redis.xlen(STREAM), 2);
  assert.deepEqual((await claimAll(broker, 2, stage.signal)).map(idOf).sort(), ["t0", "t1"]);
});

sentence("a cancel overwrites no key that is not a flag, and a purge removes none", async (stage) => {
  const broker = await stage.open("a");
  const id = "te.0.order";
  await redis.xadd(cancelFlagKey(id), "*", "message", "{}");
  await assert.rejects(broker.cancel([id]), /"te\.0\.order-cancel" holds a stream, where a string belongs/);
  await broker.enqueue([task(id)]);
  await assert.rejects(broker.cancel([id]), /holds a stream/);
  assert.equal((await broker.record(id))?.state, "queued");
  // It ran into its end as cancelled by another's flag: that is recorded, and the stream stays.
  assert.deepEqual(await broker.complete([cancelledBy(await claimOne(broker, stage.signal))]), ["recorded"]);
  assert.equal((await broker.retry([id]))[0]?.retried, true);
  await broker.complete([cancelledBy(await claimOne(broker, stage.signal))]);
  assert.equal(await broker.purge({ state: "cancelled" }, 10), 1);
  assert.equal(await redis.xlen(cancelFlagKey(id)), 1);
});

sentence("a name in the set of executors that is another kind of key is expelled, and the key stays", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue(tasks(2));
  await redis.sadd(EXECUTORS_KEY, STREAM);
  assert.deepEqual((await broker.clean()).removed, [STREAM]);
  assert.equal(await redis.xlen(STREAM), 2);
  assert.deepEqual(await redis.smembers(EXECUTORS_KEY), []);
});

sentence("an executor whose name is another kind of key is told so, and writes nothing there", async (stage) => {
  await redis.set("db-host", FOREIGN, "EX", 600);
  const broker = await stage.open("db-host");
  await assert.rejects(broker.beat("{}"), /"db-host" holds a string, where a zset belongs/);
  await assert.rejects(broker.leave("{}"), /"db-host" holds a string/);
  await isForeign("db-host");
  assert.ok((await redis.ttl("db-host")) > 0);
  assert.deepEqual(await redis.smembers(EXECUTORS_KEY), []);
});

sentence("progress that comes behind the end of its task makes no record", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("one", { retentionMs: 0 })]);
  const delivery = await claimOne(broker, stage.signal);
  await broker.complete([done(delivery, { retentionMs: 0, recorded: false })]);
  const told = { type: "noop", attempt: 1, startedAt: broker.now(), progress: 0.5, progressMsg: "half" };
  await broker.writeProgress([{ delivery, id: "one", ...told }]);
  assert.equal(await broker.record("one"), null);
});

sentence("lines of logs that cannot be written do not keep others from theirs", async (stage) => {
  const broker = await stage.open("a");
  await redis.set(logKey("one"), FOREIGN);
  const line = { at: 1, level: "info", text: "hello" } as const;
  await assert.rejects(
    broker.appendLogs([
      { id: "one", queue: "te", lines: [line] },
      { id: "two", queue: "te", lines: [line] },
    ]),
    /WRONGTYPE/,
  );
  assert.equal((await broker.logs("two")).length, 1);
  await isForeign(logKey("one"));
});
