/**
 * What somebody deletes by hand while tasks wait or run: a stream, a group, a consumer, a sorted set. What nothing
 * holds any more is found, counted and queued again by its id, once; what runs goes on and ends once.
 */
import assert from "node:assert/strict";
import { before } from "node:test";
import type { Redis } from "ioredis";
import type { Broker } from "../../src/broker/broker.ts";
import { GROUP, parkedKey, recordKey, scheduledKey, streamKey, VANISHED_KEY } from "../../src/broker/redis/keys.ts";
import { formatMessage } from "../../src/task/message/message.ts";
import { claimAll, claimOne, done, idOf, parked, QUEUE, retry, task, tasks } from "../stage/outcomes.ts";
import { countOf, NOTHING } from "../stage/sentences.ts";
import { eventually } from "../stage/until.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis: connection } = redisSentences();
let redis: Redis;

before(() => {
  redis = connection();
});

const STREAM = streamKey(QUEUE, 0);

/** Queues it again by its id, in both ways, and not a second time. */
async function isQueuedOnce(broker: Broker, id: string, state: string): Promise<void> {
  assert.deepEqual(await broker.retry([id]), [{ id, state, retried: true }]);
  assert.deepEqual(await broker.retry([id]), [{ id, state: "queued", retried: false }]);
  assert.deepEqual(await broker.enqueue([task(id)]), [{ id, created: false, state: "queued" }]);
}

async function entries(): Promise<number> {
  return redis.xlen(STREAM);
}

sentence(
  "a task whose stream was deleted is queued again by a retry, or by an enqueue of its id, once",
  async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue(tasks(3));
    await redis.del(STREAM);
    assert.equal((await broker.record("t0"))?.message, task("t0").message);
    await isQueuedOnce(broker, "t0", "queued");
    assert.deepEqual(await broker.enqueue([task("t1"), task("t1")]), [
      { id: "t1", created: false, state: "queued" },
      { id: "t1", created: false, state: "queued" },
    ]);
    assert.equal(await entries(), 2);
    const claimed = await claimAll(broker, 2, stage.signal);
    assert.deepEqual(claimed.map(idOf), ["t0", "t1"]);
    await broker.complete(claimed.map((delivery) => done(delivery)));
    assert.equal((await broker.record("t1"))?.completions, 1);
  },
);

sentence("a task of any way that queues it is queued again by its id after its stream was deleted", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("retries"), task("parks", { type: "slow" }), task("back")]);
  const [first, second, third] = await claimAll(broker, 3, stage.signal);
  assert.ok(first && second && third);
  await broker.complete([retry(first, { delayMs: 0 }), parked(second)]);
  await broker.resume({ kind: "type", name: "slow" });
  await broker.release([third]);
  await broker.enqueue([task("delayed", { delayMs: 1 })]);
  await eventually(15_000, async () => {
    await broker.promote(10);
    return (await countOf(broker)).scheduled === 0;
  });
  const raws = new Map<string, string | undefined>();
  const ids = ["retries", "parks", "back", "delayed"];
  for (const id of ids) raws.set(id, (await broker.record(id))?.message);
  await redis.del(STREAM);
  for (const id of ids) await isQueuedOnce(broker, id, "queued");
  const claimed = await claimAll(broker, ids.length, stage.signal);
  assert.deepEqual(
    claimed.map((delivery) => [idOf(delivery), delivery.raw]),
    ids.map((id) => [id, raws.get(id)]),
  );
});

sentence("a message of more than 4 KB goes with its stream: an enqueue of its id queues it again", async (stage) => {
  const broker = await stage.open("a");
  const long = (id: string, bytes: number) => {
    const message = formatMessage({ id, type: "noop", payload: "" });
    return task(id, { message: message.replace('""', `"${"x".repeat(bytes - message.length)}"`) });
  };
  const [fits, not] = [long("fits", 4_096), long("not", 4_097)];
  await broker.enqueue([fits, not]);
  assert.ok((await redis.strlen(recordKey("not"))) < 100);
  for (const each of [fits, not]) assert.equal((await broker.record(each.id))?.message, each.message);
  await redis.del(STREAM);
  assert.equal((await broker.clean()).vanished?.count, 2);
  assert.deepEqual(await broker.retry(["fits", "not"]), [
    { id: "fits", state: "queued", retried: true },
    { id: "not", state: "queued", retried: false },
  ]);
  assert.deepEqual(await broker.enqueue([not]), [{ id: "not", created: false, state: "queued" }]);
  assert.deepEqual(
    (await claimAll(broker, 2, stage.signal)).map(({ raw }) => raw),
    [fits.message, not.message],
  );
});

sentence("what a deleted consumer had and nobody runs is queued again once, and its old entry goes", async (stage) => {
  const [a, b] = [await stage.open("a"), await stage.open("b")];
  await a.enqueue(tasks(2));
  await claimAll(a, 2, stage.signal);
  await redis.xgroup("DELCONSUMER", STREAM, GROUP, "a");
  assert.deepEqual((await b.clean()).vanished?.ids.toSorted(), ["t0", "t1"]);
  await isQueuedOnce(b, "t0", "queued");
  assert.equal(await entries(), 2);
  assert.equal(idOf(await claimOne(b, stage.signal)), "t0");
});

sentence("tasks whose sorted set was deleted are queued again: scheduled, retrying and parked ones", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("retries"), task("waits", { type: "slow" }), task("sleeps", { delayMs: 60_000 })]);
  const [first, second] = await claimAll(broker, 2, stage.signal);
  assert.ok(first && second);
  await broker.complete([retry(first, { delayMs: 60_000 }), parked(second)]);
  for (const id of ["retries", "waits", "sleeps"]) assert.equal((await broker.retry([id]))[0]?.retried, false, id);
  await redis.del(scheduledKey(QUEUE), parkedKey(QUEUE, "slow"));
  assert.equal((await broker.clean()).vanished?.count, 3);
  await isQueuedOnce(broker, "retries", "retrying");
  await isQueuedOnce(broker, "waits", "queued");
  await isQueuedOnce(broker, "sleeps", "scheduled");
  const claimed = await claimAll(broker, 3, stage.signal);
  assert.deepEqual(claimed.map(idOf), ["retries", "waits", "sleeps"]);
  assert.match(claimed[0]?.raw ?? "", /"attempt":2/);
});

sentence("what waits, runs, or is still to be delivered is never queued twice", async (stage) => {
  const broker = await stage.open("a");
  const look = async (id: string) => {
    assert.equal((await broker.retry([id]))[0]?.retried, false, id);
    assert.equal((await broker.enqueue([task(id)]))[0]?.created, false, id);
  };
  await broker.enqueue([task("runs"), task("waits"), task("sleeps", { delayMs: 60_000 })]);
  await claimOne(broker, stage.signal);
  for (const id of ["runs", "waits", "sleeps"]) await look(id);
  assert.equal((await broker.clean()).vanished?.count, 0);
  // Without a group all of the stream is to come.
  await redis.xgroup("DESTROY", STREAM, GROUP);
  for (const id of ["runs", "waits"]) await look(id);
  assert.equal(await entries(), 2);
});

sentence("an executor whose consumer was deleted keeps what it runs, and ends it once", async (stage) => {
  const [a, b] = [await stage.open("a"), await stage.open("b")];
  await a.enqueue(tasks(3));
  const claimed = await claimAll(a, 3, stage.signal);
  await redis.xgroup("DELCONSUMER", STREAM, GROUP, "a");
  const [first, ...others] = claimed;
  assert.ok(first);
  assert.deepEqual(await a.complete([done(first)]), ["recorded"]);
  assert.deepEqual(await a.renew(others), []);
  assert.deepEqual((await b.retry(["t1"]))[0], { id: "t1", state: "queued", retried: false });
  assert.deepEqual(
    await a.complete(others.map((delivery) => done(delivery))),
    others.map(() => "recorded"),
  );
  assert.deepEqual(await countOf(a), { ...NOTHING, done: 3 });
});

sentence("a group that is destroyed comes back, and what runs is ended once, by whoever has it then", async (stage) => {
  const [a, b] = [await stage.open("a"), await stage.open("b")];
  await a.enqueue(tasks(3));
  const claimed = await claimAll(a, 3, stage.signal);
  const [one, two, three] = claimed;
  assert.ok(one && two && three);
  for (const priority of [0, 1]) await redis.xgroup("DESTROY", streamKey(QUEUE, priority), GROUP);
  assert.deepEqual(await a.complete([done(one)]), ["recorded"]);
  assert.deepEqual(await a.renew([two, three]), []);
  // What comes again may be held by whoever claims it.
  const again = await claimAll(b, 2, stage.signal);
  assert.deepEqual(again.map(idOf), ["t1", "t2"]);
  assert.ok(again.every(({ mayBeHeld }) => mayBeHeld));
  assert.deepEqual(await a.complete([done(two)]), ["lost"]);
  assert.deepEqual(await a.renew([three]), [three]);
  assert.deepEqual(
    await b.complete(again.map((delivery) => done(delivery))),
    again.map(() => "recorded"),
  );
  for (const id of ["t0", "t1", "t2"]) assert.equal((await a.record(id))?.completions, 1, id);
});

sentence(
  "what runs when its stream is deleted goes on and is done; once it is queued again by hand it is lost",
  async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    await a.enqueue(tasks(2));
    const [first, second] = await claimAll(a, 2, stage.signal);
    assert.ok(first && second);
    await redis.del(STREAM);
    assert.deepEqual(await a.renew([first, second]), []);
    await b.retry(["t1"]);
    assert.deepEqual(await a.renew([first, second]), [second]);
    // The news of that is pushed to whoever may hold it.
    await eventually(15_000, async () => (await a.complete([done(second)]))[0] === "lost");
    assert.deepEqual(await a.complete([done(first)]), ["recorded"]);
    const again = await claimOne(b, stage.signal);
    assert.equal(idOf(again), "t1");
    assert.deepEqual(await b.complete([done(again)]), ["recorded"]);
    for (const id of ["t0", "t1"]) {
      const record = await a.record(id);
      assert.deepEqual([record?.state, record?.completions], ["done", 1], id);
    }
  },
);

sentence("a task that vanished can be cancelled, and the counts stay right", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue(tasks(2));
  await redis.del(STREAM);
  assert.deepEqual(await broker.cancel(["t0"]), [{ id: "t0", state: "queued" }]);
  await broker.retry(["t1"]);
  assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1, cancelled: 1 });
});

sentence(
  "what has vanished is counted in steps, for the whole fleet, and no more once it is queued again",
  async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    for (let at = 0; at < 12; at++) await a.enqueue(tasks(1_000, `many${at}-`));
    await redis.del(STREAM);
    const walk = async (broker: Broker) => {
      // As if the last look had been a while ago.
      await redis.hset(VANISHED_KEY, "at", 0);
      return (await broker.clean()).vanished;
    };
    const first = await walk(a);
    assert.ok(first && first.count > 2_500 && first.count < 12_000, `one look has counted ${first?.count}`);
    assert.equal(first.ids.length, 10);
    assert.deepEqual((await b.clean()).vanished?.count, first.count, "both tell the same");
    await eventually(30_000, async () => (await walk(b))?.count === 12_000);
    for (let at = 0; at < 12; at++) await a.enqueue(tasks(1_000, `many${at}-`));
    await eventually(30_000, async () => (await walk(b))?.count === 0);
  },
);
