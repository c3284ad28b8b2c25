/** Enqueue, delays, and the counts that follow from them. */
import assert from "node:assert/strict";
import { claimAll, claimOne, done, idOf, QUEUE, task, tasks } from "../../stage/outcomes.ts";
import { assertBetween, countsOf, promoteOnceDue, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

export function enqueueSentences(sentence: Sentence): void {
  sentence("an enqueue answers in the order of the requests, and tells which ids were there already", async (stage) => {
    const broker = await stage.open("a");
    assert.deepEqual(await broker.enqueue([task("one"), task("two", { delayMs: 60_000 })]), [
      { id: "one", created: true, state: "queued" },
      { id: "two", created: true, state: "scheduled" },
    ]);
    assert.deepEqual(await broker.enqueue([task("three"), task("two"), task("one"), task("three")]), [
      { id: "three", created: true, state: "queued" },
      { id: "two", created: false, state: "scheduled" },
      { id: "one", created: false, state: "queued" },
      { id: "three", created: false, state: "queued" },
    ]);
    const claimed = await claimAll(broker, 2, stage.signal);
    assert.deepEqual(claimed.map(idOf).sort(), ["one", "three"]);
  });

  sentence("an id that is running, or kept as done, is not enqueued again", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    const delivery = await claimOne(broker, stage.signal);
    assert.deepEqual((await broker.enqueue([task("one")]))[0]?.created, false);
    await broker.complete([done(delivery)]);
    assert.deepEqual(await broker.enqueue([task("one")]), [{ id: "one", created: false, state: "done" }]);
    assert.deepEqual(await broker.backlog(), { pending: 0, lag: 0 });
  });

  sentence("a batch of more than 1 000 is refused whole", async (stage) => {
    const broker = await stage.open("a");
    await assert.rejects(broker.enqueue(tasks(1001)), RangeError);
    assert.deepEqual(await broker.backlog(), { pending: 0, lag: 0 });
    assert.equal((await broker.enqueue(tasks(1000))).length, 1000);
    assert.deepEqual(await broker.backlog(), { pending: 0, lag: 1000 });
  });

  sentence("a priority that does not exist is refused, and the rest of its batch with it", async (stage) => {
    const broker = await stage.open("a", { priorities: 3 });
    for (const priority of [-1, 3, 0.5, Number.NaN]) {
      await assert.rejects(broker.enqueue([task("good"), task("bad", { priority })]), RangeError, String(priority));
    }
    assert.deepEqual(await broker.backlog(), { pending: 0, lag: 0 });
    assert.equal((await broker.enqueue([task("good", { priority: 2 })]))[0]?.created, true);
  });

  sentence("an empty batch is no work", async (stage) => {
    const broker = await stage.open("a");
    assert.deepEqual(await broker.enqueue([]), []);
    assert.deepEqual(await broker.complete([]), []);
    assert.deepEqual(await broker.renew([]), []);
    assert.deepEqual(await broker.cancel([]), []);
    assert.deepEqual(await broker.cancelled([]), []);
    await broker.release([]);
    await broker.writeProgress([]);
  });

  sentence("a client enqueues and reads, but cannot claim", async (stage) => {
    const client = await stage.open(null);
    const executor = await stage.open("a");
    await client.enqueue([task("one")]);
    await assert.rejects(async () => client.claim(1, stage.signal), TypeError);
    assert.equal((await client.record("one"))?.state, "queued");
    const delivery = await claimOne(executor, stage.signal);
    await executor.complete([done(delivery, { result: '{"answer":42}' })]);
    assert.deepEqual((await client.record("one"))?.result, { answer: 42 });
  });

  sentence("a delayed task is queued by promote once it is due, not before", async (stage) => {
    const broker = await stage.open("a");
    const since = performance.now();
    const before = broker.now();
    await broker.enqueue([task("later", { delayMs: 400 }), task("much later", { delayMs: 3_600_000 })]);
    const after = broker.now();
    const record = await broker.record("later");
    assert.equal(record?.state, "scheduled");
    assertBetween(record?.due_at, before + 400, after + 400);
    const early = await broker.promote(10);
    stage.within(390, since, () => {
      assert.equal(early.promoted, 0);
      assert.ok(early.nextInMs !== null && early.nextInMs > 0 && early.nextInMs <= 400, `next in ${early.nextInMs}`);
    });
    await promoteOnceDue(broker, since, 400);
    assert.ok(performance.now() - since >= 390);
    const next = await broker.promote(10);
    assert.equal(next.promoted, 0);
    assert.ok((next.nextInMs ?? 0) > 10_000, `next in ${next.nextInMs}`);
    assert.equal(idOf(await claimOne(broker, stage.signal)), "later");
    assert.deepEqual(await broker.backlog(), { pending: 1, lag: 0 });
  });

  sentence("promote queues no more than it was asked for, and without anything waiting says so", async (stage) => {
    const broker = await stage.open("a");
    assert.deepEqual(await broker.promote(10), { promoted: 0, nextInMs: null });
    await broker.enqueue(tasks(5).map((one) => ({ ...one, delayMs: 1 })));
    await eventually(15_000, async () => (await broker.promote(2)).promoted === 2);
    assert.equal((await broker.promote(2)).promoted, 2);
    assert.deepEqual(await broker.promote(2), { promoted: 1, nextInMs: null });
    assert.equal((await broker.backlog()).lag, 5);
  });

  sentence("what is due in the same millisecond comes in the order in which it was enqueued", async (stage) => {
    const broker = await stage.open("a");
    const names = Array.from({ length: 30 }, (_, index) => `n${(index * 7) % 30}`);
    await broker.enqueue(names.map((name) => task(name, { delayMs: 20 })));
    let promoted = 0;
    await eventually(15_000, async () => {
      promoted += (await broker.promote(100)).promoted;
      return promoted === names.length;
    });
    const claimed = await claimAll(broker, names.length, stage.signal);
    assert.deepEqual(claimed.map(idOf), names);
  });

  sentence("a request with a number that no clock can hold is refused, and its batch with it", async (stage) => {
    const broker = await stage.open("a");
    for (const wrong of [{ delayMs: 1e17 }, { retentionMs: 1e300 }, { unique: { key: "k", ttlMs: 1e300 } }]) {
      await assert.rejects(broker.enqueue([task("good"), task("bad", wrong)]), RangeError);
    }
    assert.equal((await broker.backlog()).lag, 0);
  });

  sentence("counts and backlog agree with what was done", async (stage) => {
    const broker = await stage.open("a", { queues: [QUEUE, "other"] });
    const empty = { queued: 0, running: 0, scheduled: 0, dead: 0 };
    const sorted = async () => (await countsOf(broker)).toSorted((a, b) => a.name.localeCompare(b.name));
    assert.deepEqual(await sorted(), [
      { name: "other", ...empty },
      { name: QUEUE, ...empty },
    ]);
    await broker.enqueue(tasks(2));
    const claimed = await claimAll(broker, 2, stage.signal);
    await broker.enqueue([...tasks(3, "more"), task("late", { delayMs: 60_000 }), task("o", { queue: "other" })]);
    assert.deepEqual(await sorted(), [
      { ...empty, name: "other", queued: 1 },
      { name: QUEUE, queued: 3, running: 2, scheduled: 1, dead: 0 },
    ]);
    assert.deepEqual(await broker.backlog(), { pending: 2, lag: 4 });
    await broker.complete(claimed.map((delivery) => done(delivery)));
    assert.deepEqual(await broker.backlog(), { pending: 0, lag: 4 });
  });
}
