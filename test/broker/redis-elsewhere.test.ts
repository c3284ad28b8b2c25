/** Tasks of ours that another program takes and acknowledges, as RagFlow's executors do: their entries stay. */
import assert from "node:assert/strict";
import type { Broker, Delivery } from "../../src/broker/broker.ts";
import { deadKey, GROUP, NOBODYS_KEY, recordKey, streamKey } from "../../src/broker/redis/keys.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { watchTask } from "../../src/operations/watch/watch.ts";
import { claimOne, done, idOf, QUEUE, task } from "../stage/outcomes.ts";
import { countOf, NOTHING, type SentenceStage } from "../stage/sentences.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis } = redisSentences();
const STREAM = streamKey(QUEUE, 0);
const REASON = /outside of taskexe.*how it ended is not known/;

/** A foreign executor takes what comes next and acknowledges it; gives the entries. */
async function takenElsewhere(count: number): Promise<string[]> {
  const reply = await redis().xreadgroup("GROUP", GROUP, "foreign", "COUNT", count, "STREAMS", STREAM, ">");
  const [[, entries = []] = []] = reply as [string, [string, string[]][]][];
  const ids = entries.map(([entry]) => entry);
  assert.equal(ids.length, count);
  await redis().xack(STREAM, GROUP, ...ids);
  return ids;
}

/** As if what is nobody's had been so for long. */
async function longSince(ms = 60_000): Promise<void> {
  for (const member of await redis().zrange(NOBODYS_KEY, "0", "-1")) {
    await redis().zincrby(NOBODYS_KEY, -ms, member);
  }
}

/** An executor beats, as ours do. */
async function beats(broker: Broker, lease_ms: number): Promise<void> {
  await broker.beat(JSON.stringify({ lease_ms, current: {} }));
}

/** An executor whose lease is ten minutes runs t0, and somebody deletes its consumer. */
async function runsLong(stage: SentenceStage): Promise<{ readonly a: Broker; readonly delivery: Delivery }> {
  const a = await stage.open("a", { leaseMs: 600_000 });
  await beats(a, 600_000);
  await a.enqueue([task("t0")]);
  const delivery = await claimOne(a, stage.signal);
  await redis().xgroup("DELCONSUMER", STREAM, GROUP, "a");
  return { a, delivery };
}

/** Nobody but the index and the record itself tells of t0, and both say that it is dead. */
async function isDeadOnly(broker: Broker): Promise<void> {
  assert.match((await broker.record("t0"))?.reason ?? "", REASON);
  assert.deepEqual(await countOf(broker), { ...NOTHING, dead: 1 });
  assert.deepEqual(await redis().zrange(deadKey(QUEUE), "0", "-1"), ["t0"]);
}

async function endedElsewhere(stage: SentenceStage) {
  const broker = await stage.open("a");
  await broker.enqueue([task("t0", { unique: { key: "only", ttlMs: null } }), task("t1")]);
  await takenElsewhere(1);
  return broker;
}

sentence("a task that a foreigner acknowledged is dead after a while, and says what is known", async (stage) => {
  const broker = await endedElsewhere(stage);
  assert.equal((await broker.record("t0"))?.state, "queued", "it may be taken again");
  await longSince();
  const record = await broker.record("t0");
  assert.equal(record?.state, "dead");
  assert.match(record.reason ?? "", REASON);
  assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1, dead: 1 });
  assert.equal((await broker.record("t1"))?.state, "queued");
  assert.deepEqual(await redis().zrange(NOBODYS_KEY, "0", "-1"), []);
});

sentence("the clean-up finds it though nobody looks at it", async (stage) => {
  const broker = await endedElsewhere(stage);
  assert.deepEqual((await broker.clean()).vanished?.ids, ["t0"]);
  await longSince();
  await redis().hset("taskexe:vanished", "at", 0);
  assert.deepEqual((await broker.clean()).vanished?.ids, []);
  assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1, dead: 1 });
});

sentence("an enqueue of the same id works again, and its unique key is free", async (stage) => {
  const broker = await endedElsewhere(stage);
  await broker.record("t0");
  await longSince();
  await broker.record("t0");
  const again = task("t0", { unique: { key: "only", ttlMs: null } });
  assert.deepEqual(await broker.enqueue([again]), [{ id: "t0", created: true, state: "queued" }]);
  assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 2 });
  const first = await claimOne(broker, stage.signal);
  assert.equal(idOf(first), "t1");
  const second = await claimOne(broker, stage.signal);
  assert.deepEqual(await broker.complete([done(second)]), ["recorded"]);
  assert.equal((await broker.record("t0"))?.state, "done");
});

sentence("before that, too; and a retry by hand queues it", async (stage) => {
  const broker = await endedElsewhere(stage);
  assert.deepEqual(await broker.enqueue([task("t0")]), [{ id: "t0", created: false, state: "queued" }]);
  assert.equal(await redis().xlen(STREAM), 2, "it stands there anew");
  await takenElsewhere(2);
  await broker.record("t1");
  await longSince();
  assert.equal((await broker.record("t1"))?.state, "dead");
  assert.deepEqual(await broker.retry(["t1"]), [{ id: "t1", state: "dead", retried: true }]);
  assert.equal(idOf(await claimOne(broker, stage.signal)), "t1");
});

sentence("whoever watches it is told that it has ended, and why", async (stage) => {
  const broker = await endedElsewhere(stage);
  const kinds: string[] = [];
  for await (const event of watchTask(broker, "t0", openRoot())) {
    kinds.push(event.kind);
    if (event.kind === "state" && event.state === "queued") await longSince();
    if (event.kind === "end") assert.match(event.task?.reason ?? "", REASON);
  }
  assert.equal(kinds.at(-1), "end");
});

sentence("a task whose consumer was deleted while it runs is not ended so", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("t0")]);
  const delivery = await claimOne(broker, stage.signal);
  await redis().xgroup("DELCONSUMER", STREAM, GROUP, "a");
  assert.equal((await broker.record("t0"))?.state, "queued");
  assert.deepEqual(await broker.renew([delivery]), []);
  await longSince();
  assert.equal((await broker.record("t0"))?.state, "running");
  assert.deepEqual(await broker.complete([done(delivery)]), ["recorded"]);
  assert.deepEqual(await countOf(broker), { ...NOTHING, done: 1 });
});

sentence("the lag stays known: the last delivered entry stays while older ones stand", async (stage) => {
  const broker = await stage.open("a");
  await redis().xadd(STREAM, "*", "message", '{"id":"foreign"}');
  await broker.enqueue([task("t0")]);
  await takenElsewhere(2);
  await broker.record("t0");
  await longSince();
  assert.equal((await broker.record("t0"))?.state, "dead");
  await broker.enqueue([task("t1")]);
  const groups: unknown = await redis().xinfo("GROUPS", STREAM);
  assert.ok(Array.isArray(groups) && Array.isArray(groups[0]));
  assert.equal(groups[0][groups[0].indexOf("lag") + 1], 1);
});

sentence(
  "a task that runs under a long lease is never dead before that is over; its owner has it again",
  async (stage) => {
    const { a, delivery } = await runsLong(stage);
    const other = await stage.open("b");
    await beats(other, 30_000);
    for (let looks = 0; looks < 3; looks += 1) {
      assert.equal((await other.record("t0"))?.state, "queued");
      await longSince(190_000);
    }
    assert.deepEqual((await other.clean()).vanished?.ids, ["t0"]);
    assert.deepEqual(await a.renew([delivery]), []);
    assert.deepEqual(await redis().zrange(NOBODYS_KEY, "0", "-1"), [], "the next time begins anew");
    assert.equal((await other.record("t0"))?.state, "running");
    assert.deepEqual(await a.complete([done(delivery)]), ["recorded"]);
    assert.deepEqual(await countOf(other), { ...NOTHING, done: 1 });
  },
);

sentence("once the owner of a deleted consumer has left, its task is dead, and it comes too late", async (stage) => {
  const { a, delivery } = await runsLong(stage);
  const other = await stage.open("b");
  await a.leave(JSON.stringify({ lease_ms: 600_000, current: {} }));
  assert.equal((await other.record("t0"))?.state, "queued");
  await longSince();
  await isDeadOnly(other);
  assert.deepEqual(await a.complete([done(delivery)]), ["lost"]);
  assert.equal((await a.renew([delivery])).length, 1);
  await isDeadOnly(other);
});

sentence("it comes too late also where the entry stays for the lag, and after a retry by hand", async (stage) => {
  const a = await stage.open("a", { leaseMs: 600_000 });
  await redis().xadd(STREAM, "*", "message", '{"id":"foreign"}');
  await a.enqueue([task("t0")]);
  await claimOne(a, stage.signal);
  const delivery = await claimOne(a, stage.signal);
  await redis().xgroup("DELCONSUMER", STREAM, GROUP, "a");
  await a.record("t0");
  await longSince();
  assert.equal((await a.record("t0"))?.state, "dead");
  assert.equal(await redis().xlen(STREAM), 2, "both entries stand");
  assert.equal((await a.renew([delivery])).length, 1);
  assert.deepEqual(await a.complete([done(delivery)]), ["lost"]);
  assert.equal((await a.record("t0"))?.state, "dead");
  await a.retry(["t0"]);
  assert.equal((await a.renew([delivery])).length, 1, "that is another run");
  const again = await claimOne(a, stage.signal);
  assert.deepEqual(await a.complete([done(again)]), ["recorded"]);
  assert.deepEqual(await countOf(a), { ...NOTHING, done: 1 });
  assert.deepEqual(await redis().zrange(deadKey(QUEUE), "0", "-1"), []);
});

sentence("what an index names by mistake is not removed: its record is of another state", async (stage) => {
  const broker = await stage.open("a", { deadRetentionMs: 1_000 });
  await broker.enqueue([task("t0")]);
  await redis().zadd(deadKey(QUEUE), 1, "t0", 1, "gone");
  await broker.removeEnded();
  assert.deepEqual(await redis().zrange(deadKey(QUEUE), "0", "-1"), []);
  assert.equal(await redis().exists(recordKey("t0")), 1);
  assert.equal((await broker.record("t0"))?.state, "queued");
});
