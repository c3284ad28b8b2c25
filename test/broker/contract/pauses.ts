/** Pauses of queues and of types: nothing of them is started until they are resumed, then all of it comes. */
import assert from "node:assert/strict";
import type { Broker, Delivery } from "../../../src/broker/broker.ts";
import { claimAll, claimOne, done, idOf, parked, QUEUE, retry, task, tasks, typeOf } from "../../stage/outcomes.ts";
import { countOf, LEASE_MS, NOTHING, RECLAIM_MS, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

const BOTH = { queues: [QUEUE, "other"] };

/** Claims as an executor does: what is of a paused type is ended as parked. Ends once `until` is among the rest. */
async function startUntil(broker: Broker, until: string, signal: AbortSignal): Promise<Delivery[]> {
  const started: Delivery[] = [];
  await eventually(30_000, async () => {
    for (const delivery of await broker.claim(10, signal)) {
      if (broker.isTypePaused(typeOf(delivery)))
        assert.deepEqual(await broker.complete([parked(delivery)]), ["recorded"]);
      else started.push(delivery);
    }
    return started.some((delivery) => idOf(delivery) === until);
  });
  return started;
}

export function pauseSentences(sentence: Sentence): void {
  sentence(
    "nothing of a paused queue is claimed once pause() has returned, and resume brings all of it",
    async (stage) => {
      const [broker, client] = [await stage.open("a", BOTH), await stage.open(null, BOTH)];
      await broker.enqueue(tasks(20));
      await client.pause({ kind: "queue", name: QUEUE });
      await broker.enqueue([task("more"), task("last", { queue: "other" })]);
      assert.deepEqual((await startUntil(broker, "last", stage.signal)).map(idOf), ["last"]);
      await eventually(15_000, async () => (await countOf(broker)).queued === 21);
      await client.resume({ kind: "queue", name: QUEUE });
      const ids = (await claimAll(broker, 21, stage.signal)).map(idOf);
      assert.deepEqual(ids.sort(), [...tasks(20).map(({ id }) => id), "more"].sort());
    },
  );

  sentence("tasks whose type was paused come in the order in which they were enqueued", async (stage) => {
    const [broker, client] = [await stage.open("a"), await stage.open(null)];
    const names = Array.from({ length: 30 }, (_, index) => `n${(index * 7) % 30}`);
    await client.pause({ kind: "type", name: "slow" });
    await broker.enqueue([...names.map((name) => task(name, { type: "slow" })), task("last")]);
    assert.deepEqual((await startUntil(broker, "last", stage.signal)).map(idOf), ["last"]);
    await client.resume({ kind: "type", name: "slow" });
    assert.deepEqual((await claimAll(broker, names.length, stage.signal)).map(idOf), names);
  });

  sentence("a claim that waits already when its queue is paused takes nothing of it either", async (stage) => {
    const [broker, client] = [await stage.open("a", BOTH), await stage.open(null, BOTH)];
    const pausing = async () => {
      await client.pause({ kind: "queue", name: QUEUE });
      await client.enqueue([task("one")]);
      await client.enqueue([task("last", { queue: "other" })]);
    };
    const [started] = await Promise.all([startUntil(broker, "last", stage.signal), pausing()]);
    assert.deepEqual(started.map(idOf), ["last"]);
    await client.resume({ kind: "queue", name: QUEUE });
    assert.equal(idOf(await claimOne(broker, stage.signal)), "one");
  });

  sentence(
    "nothing of a paused type is started once pause() has returned, and resume brings all of it",
    async (stage) => {
      const [broker, client] = [await stage.open("a"), await stage.open(null)];
      await broker.enqueue(tasks(20).map(({ id }) => task(id, { type: "slow" })));
      await client.pause({ kind: "type", name: "slow" });
      await broker.enqueue([task("urgent", { type: "slow", priority: 1 }), task("last", { type: "quick" })]);
      const started = await startUntil(broker, "last", stage.signal);
      assert.deepEqual(started.map(idOf), ["last"]);
      assert.equal(broker.isTypePaused("slow"), true);
      assert.equal(broker.isTypePaused("quick"), false);
      assert.equal((await broker.record("t0"))?.state, "queued");
      assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 21, running: 1 });
      await client.resume({ kind: "type", name: "slow" });
      const ids = (await claimAll(broker, 21, stage.signal)).map(idOf);
      assert.deepEqual(ids.sort(), [...tasks(20).map(({ id }) => id), "urgent"].sort());
      assert.equal(broker.isTypePaused("slow"), false);
      assert.deepEqual(await countOf(broker), { ...NOTHING, running: 22 });
    },
  );

  sentence("a claimed task whose type is paused meanwhile is parked, and comes once after resume", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one", { retentionMs: 0, type: "slow" })]);
    const delivery = await claimOne(broker, stage.signal);
    await broker.pause({ kind: "type", name: "slow" });
    assert.equal(broker.isTypePaused("slow"), true);
    assert.deepEqual(await broker.complete([parked(delivery, { retentionMs: 0, recorded: false })]), ["recorded"]);
    assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1 });
    await broker.enqueue([task("last")]);
    const [last] = await startUntil(broker, "last", stage.signal);
    assert.ok(last && idOf(last) === "last");
    await broker.resume({ kind: "type", name: "slow" });
    const again = await claimOne(broker, stage.signal);
    assert.equal(idOf(again), "one");
    await broker.complete([done(again, { retentionMs: 0 }), done(last, { retentionMs: 0 })]);
    assert.deepEqual(await countOf(broker), NOTHING);
  });

  sentence("a task of a paused type that comes due waits too", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one", { type: "slow" })]);
    await broker.complete([retry(await claimOne(broker, stage.signal), { delayMs: 1 })]);
    await broker.pause({ kind: "type", name: "slow" });
    await eventually(15_000, async () => (await broker.promote(10)).promoted === 1);
    await broker.enqueue([task("last")]);
    assert.deepEqual((await startUntil(broker, "last", stage.signal)).map(idOf), ["last"]);
    await broker.resume({ kind: "type", name: "slow" });
    assert.equal(idOf(await claimOne(broker, stage.signal)), "one");
  });

  sentence(
    "what an executor leaves behind in a paused queue is not started by whoever takes it over",
    async (stage) => {
      const [dying, heir] = [
        await stage.open("a", { ...BOTH, leaseMs: LEASE_MS }),
        await stage.open("b", { ...BOTH, leaseMs: LEASE_MS }),
      ];
      await dying.enqueue([task("one")]);
      await claimOne(dying, stage.signal);
      await heir.pause({ kind: "queue", name: QUEUE });
      await eventually(RECLAIM_MS, async () => {
        assert.deepEqual(await heir.reclaim(10), []);
        return (await countOf(heir)).queued === 1;
      });
      assert.deepEqual(await heir.recover(new Set(), 10), []);
      await heir.resume({ kind: "queue", name: QUEUE });
      assert.equal(idOf(await claimOne(heir, stage.signal)), "one");
    },
  );

  sentence("pauses outlive whoever asked for them", async (stage) => {
    const first = await stage.open("a", BOTH);
    await first.pause({ kind: "type", name: "slow" });
    await first.pause({ kind: "queue", name: "other" });
    await first.pause({ kind: "queue", name: "other" });
    await first.enqueue([task("slow", { type: "slow" }), task("aside", { queue: "other" })]);
    await first.close();
    const second = await stage.open("b", BOTH);
    assert.deepEqual(await second.paused(), [
      { kind: "queue", name: "other" },
      { kind: "type", name: "slow" },
    ]);
    await second.enqueue([task("last")]);
    assert.deepEqual((await startUntil(second, "last", stage.signal)).map(idOf), ["last"]);
    assert.equal(second.isTypePaused("slow"), true);
    await second.resume({ kind: "type", name: "slow" });
    await second.resume({ kind: "queue", name: "other" });
    await second.resume({ kind: "queue", name: "never paused" });
    assert.deepEqual(await second.paused(), []);
    assert.deepEqual((await claimAll(second, 2, stage.signal)).map(idOf).sort(), ["aside", "slow"]);
  });

  sentence("a parked task is listed once and can be cancelled; then it never comes", async (stage) => {
    const broker = await stage.open("a");
    await broker.pause({ kind: "type", name: "slow" });
    await broker.enqueue(["one", "two"].map((id) => task(id, { type: "slow" })));
    await broker.enqueue([task("last")]);
    await startUntil(broker, "last", stage.signal);
    const listed = async () => (await broker.list({ state: "queued", limit: 10 })).tasks.map(({ id }) => id);
    assert.deepEqual(await listed(), ["one", "two"]);
    assert.deepEqual(await broker.cancel(["one"]), [{ id: "one", state: "queued" }]);
    assert.equal((await broker.record("one"))?.state, "cancelled");
    assert.deepEqual(await listed(), ["two"]);
    assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1, running: 1, cancelled: 1 });
    await broker.resume({ kind: "type", name: "slow" });
    assert.equal(idOf(await claimOne(broker, stage.signal)), "two");
    assert.deepEqual(await countOf(broker), { ...NOTHING, running: 2, cancelled: 1 });
    assert.deepEqual(await broker.retry(["one"]), [{ id: "one", state: "cancelled", retried: true }]);
    assert.equal(idOf(await claimOne(broker, stage.signal)), "one");
  });
}
