/** Unique keys: while one task holds a key of a queue, no other with that key is enqueued. */
import assert from "node:assert/strict";
import type { Broker, Delivery, Outcome } from "../../../src/broker/broker.ts";
import { cancelledBy, claimOne, dead, done, QUEUE, retry, task } from "../../stage/outcomes.ts";
import { countOf, NOTHING, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

const KEY = "report of May";
const UNTIL_ENDED = { key: KEY, ttlMs: null };

type Other = Parameters<typeof task>[1];

async function enqueueOne(broker: Broker, id: string, other: Other = { unique: UNTIL_ENDED }) {
  const [receipt] = await broker.enqueue([task(id, other)]);
  assert.ok(receipt);
  return receipt;
}

/**
 * Takes the key for a time and ends its task: whoever asks is told of that one, until the time is over and no longer.
 */
async function isHeldFor(broker: Broker, signal: AbortSignal, ttlMs: number, asked: Other): Promise<void> {
  const from = performance.now();
  await enqueueOne(broker, "one", { unique: { key: KEY, ttlMs } });
  await broker.complete([done(await claimOne(broker, signal))]);
  await eventually(15_000, async () => {
    const receipt = await enqueueOne(broker, "two", asked);
    if (receipt.created) return true;
    assert.deepEqual(receipt, { id: "one", created: false, state: "done" });
    return false;
  });
  assert.ok(performance.now() - from >= ttlMs - 50, "it was free too early");
}

export function uniqueSentences(sentence: Sentence): void {
  sentence("while a task holds its key another is not enqueued, and the receipt names the holder", async (stage) => {
    const broker = await stage.open("a");
    assert.deepEqual(await enqueueOne(broker, "one"), { id: "one", created: true, state: "queued" });
    assert.deepEqual(await enqueueOne(broker, "two"), { id: "one", created: false, state: "queued" });
    assert.equal(await broker.record("two"), null);
    assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1 });
    const delivery = await claimOne(broker, stage.signal);
    assert.equal((await enqueueOne(broker, "two")).created, false);
    await broker.complete([retry(delivery, { uniqueKey: KEY, delayMs: 60_000 })]);
    assert.deepEqual(await enqueueOne(broker, "two"), { id: "one", created: false, state: "retrying" });
    assert.deepEqual(await countOf(broker), { ...NOTHING, scheduled: 1 });
  });

  const ends: [string, (delivery: Delivery) => Outcome][] = [
    ["done", (delivery) => done(delivery, { uniqueKey: KEY })],
    ["done without a record", (delivery) => done(delivery, { uniqueKey: KEY, retentionMs: 0 })],
    ["dead", (delivery) => dead(delivery, { uniqueKey: KEY })],
    ["cancelled", (delivery) => cancelledBy(delivery, { uniqueKey: KEY })],
  ];
  for (const [how, end] of ends) {
    sentence(`a key is free as soon as its task is ${how}`, async (stage) => {
      const broker = await stage.open("a");
      const retentionMs = how.endsWith("record") ? 0 : 60_000;
      await enqueueOne(broker, "one", { unique: UNTIL_ENDED, retentionMs });
      await broker.complete([end(await claimOne(broker, stage.signal))]);
      assert.deepEqual(await enqueueOne(broker, "two"), { id: "two", created: true, state: "queued" });
      assert.equal((await enqueueOne(broker, "three")).id, "two");
    });
  }

  sentence("a key that is held for a time is held for it, whatever the one wants that asks for it", async (stage) => {
    const broker = await stage.open("a");
    await isHeldFor(broker, stage.signal, 1_000, { unique: UNTIL_ENDED });
  });

  sentence("a key is free as soon as its waiting task is cancelled", async (stage) => {
    const broker = await stage.open("a");
    await enqueueOne(broker, "one", { unique: UNTIL_ENDED, delayMs: 60_000 });
    assert.equal((await enqueueOne(broker, "two")).state, "scheduled");
    await broker.cancel(["one"]);
    assert.equal((await enqueueOne(broker, "two")).created, true);
    await broker.cancel(["two"]);
    assert.equal((await enqueueOne(broker, "three")).created, true);
  });

  sentence("a key that is held for a time outlives its task, and ends by itself", async (stage) => {
    const broker = await stage.open("a");
    await isHeldFor(broker, stage.signal, 700, { unique: { key: KEY, ttlMs: 700 } });
  });

  sentence("keys are told apart by their text and by their queue", async (stage) => {
    const broker = await stage.open("a", { queues: [QUEUE, "other"] });
    const receipts = await broker.enqueue([
      task("one", { unique: UNTIL_ENDED }),
      task("two", { unique: { ...UNTIL_ENDED, key: `${KEY}!` } }),
      task("three", { unique: UNTIL_ENDED, queue: "other" }),
      task("four"),
      task("five", { unique: UNTIL_ENDED }),
    ]);
    assert.deepEqual(
      receipts.map(({ id, created }) => [id, created]),
      [
        ["one", true],
        ["two", true],
        ["three", true],
        ["four", true],
        ["one", false],
      ],
    );
  });

  sentence("of five who enqueue under one key at once, one succeeds and all name the same task", async (stage) => {
    const brokers = await Promise.all(["a", "b", "c", "d", "e"].map((name) => stage.open(name)));
    const receipts = await Promise.all(brokers.map((broker, index) => enqueueOne(broker, `t${index}`)));
    assert.equal(receipts.filter(({ created }) => created).length, 1);
    assert.equal(new Set(receipts.map(({ id }) => id)).size, 1);
  });

  sentence("a task that is retried by hand takes its key again, or says who has it by now", async (stage) => {
    const broker = await stage.open("a");
    const message = JSON.stringify({ id: "one", task_type: "noop", payload: 1, taskexe: { unique_key: KEY } });
    for (const retentionMs of [60_000, 0]) {
      await enqueueOne(broker, "one", { unique: UNTIL_ENDED, message, retentionMs });
      await broker.complete([dead(await claimOne(broker, stage.signal), { uniqueKey: KEY })]);
      await enqueueOne(broker, "two", { unique: UNTIL_ENDED, delayMs: 60_000 });
      assert.deepEqual(await broker.retry(["one"]), [{ id: "one", state: "dead", retried: false, heldBy: "two" }]);
      assert.deepEqual(await countOf(broker), { ...NOTHING, dead: 1, scheduled: 1 });
      await broker.cancel(["two"]);
      assert.deepEqual(await broker.retry(["one"]), [{ id: "one", state: "dead", retried: true }]);
      assert.deepEqual(await enqueueOne(broker, "three"), { id: "one", created: false, state: "queued" });
      const again = await claimOne(broker, stage.signal);
      assert.match(again.raw ?? "", /"unique_key"/);
      assert.equal((await enqueueOne(broker, "three")).id, "one");
      await broker.complete([done(again, { uniqueKey: KEY, retentionMs: 0 })]);
      assert.equal((await enqueueOne(broker, "three", { unique: UNTIL_ENDED, delayMs: 60_000 })).created, true);
      await broker.cancel(["three"]);
      await broker.purge({ state: "cancelled" }, 10);
      assert.deepEqual(await countOf(broker), NOTHING);
    }
  });

  const FOR_AN_HOUR = { key: KEY, ttlMs: 3_600_000 };
  const timed = (retentionMs: number) => {
    const taskexe = { retention_ms: retentionMs, unique_key: KEY, unique_for_ms: FOR_AN_HOUR.ttlMs };
    const message = JSON.stringify({ id: "one", task_type: "noop", payload: 1, taskexe });
    return { unique: FOR_AN_HOUR, message, retentionMs };
  };

  sentence("a cancel frees a key that is held for a time", async (stage) => {
    const broker = await stage.open("a");
    for (const retentionMs of [60_000, 0]) {
      // Waiting for its time, waiting in line, and running.
      await enqueueOne(broker, "one", { ...timed(retentionMs), delayMs: 60_000 });
      await broker.cancel(["one"]);
      assert.equal((await enqueueOne(broker, "two", { unique: FOR_AN_HOUR, delayMs: 60_000 })).created, true);
      await broker.cancel(["two"]);
      await broker.purge({ state: "cancelled" }, 10);

      await enqueueOne(broker, "one", timed(retentionMs));
      const delivery = await claimOne(broker, stage.signal);
      await broker.cancel(["one"]);
      const outcome = cancelledBy(delivery, { uniqueKey: KEY, recorded: retentionMs > 0, retentionMs });
      assert.deepEqual(await broker.complete([outcome]), ["recorded"]);
      assert.equal((await enqueueOne(broker, "two", { unique: FOR_AN_HOUR, delayMs: 60_000 })).created, true);
      await broker.cancel(["two"]);
      await broker.purge({ state: "cancelled" }, 10);
    }
  });

  sentence("a purge by hand frees a key that is held for a time, and a purge of others does not", async (stage) => {
    const broker = await stage.open("a");
    for (const [state, end] of [["done", done] as const, ["dead", dead] as const]) {
      await enqueueOne(broker, "one", timed(60_000));
      await broker.complete([end(await claimOne(broker, stage.signal))]);
      await broker.enqueue([task("other")]);
      await broker.complete([done(await claimOne(broker, stage.signal))]);
      await broker.purge({ state: state === "done" ? "dead" : "done" }, 10);
      assert.deepEqual(await enqueueOne(broker, "two", { unique: FOR_AN_HOUR }), { id: "one", created: false, state });
      assert.equal(await broker.purge({ state }, 10), state === "done" ? 2 : 1);
      assert.equal((await enqueueOne(broker, "two", { unique: FOR_AN_HOUR })).created, true);
      await broker.cancel(["two"]);
      await broker.purge({ state: "cancelled" }, 10);
    }
  });

  sentence("a retry of a task whose key is held for a time goes by who holds it", async (stage) => {
    const broker = await stage.open("a");
    await enqueueOne(broker, "one", timed(60_000));
    await broker.complete([dead(await claimOne(broker, stage.signal))]);
    assert.equal((await broker.retry(["one"]))[0]?.retried, true, "it holds the key itself");
    const again = await claimOne(broker, stage.signal);
    await broker.cancel(["one"]);
    await broker.complete([cancelledBy(again, { uniqueKey: KEY })]);
    await enqueueOne(broker, "two", { unique: FOR_AN_HOUR, delayMs: 60_000 });
    assert.deepEqual(await broker.retry(["one"]), [{ id: "one", state: "cancelled", retried: false, heldBy: "two" }]);
    await broker.cancel(["two"]);
    assert.equal((await broker.retry(["one"]))[0]?.retried, true);
    const asked = await enqueueOne(broker, "three", { unique: FOR_AN_HOUR });
    assert.deepEqual(asked, { id: "one", created: false, state: "queued" });
  });
}
