/** Cancels in every state, their flags, and the push to whoever runs the task. */
import assert from "node:assert/strict";
import { cancelledBy, claimAll, claimOne, done, idOf, QUEUE, retry, task, tasks } from "../../stage/outcomes.ts";
import { countsOf, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

export function cancelSentences(sentence: Sentence): void {
  sentence("a cancel of an id that nobody knows makes no other task be asked about", async (stage) => {
    const broker = await stage.open("a");
    await broker.cancel(["unknown", "later"]);
    const fleeting = ["one", "two", "later"].map((id) => task(id, { retentionMs: 0 }));
    await broker.enqueue([...fleeting, task("kept")]);
    const claimed = await claimAll(broker, 4, stage.signal);
    const asked = claimed.filter(({ mayBeCancelled }) => mayBeCancelled);
    assert.deepEqual(asked.map(idOf), ["later"]);
    assert.deepEqual(await broker.cancelled(asked.map(idOf)), ["later"]);
    await broker.complete(claimed.map((delivery) => done(delivery, { retentionMs: 0 })));
  });

  sentence("of hundreds of cancelled ids each is asked about when its task comes, and no other", async (stage) => {
    const broker = await stage.open("a");
    const cancelled = Array.from({ length: 300 }, (_, n) => `c${n}`);
    await broker.cancel(cancelled);
    const fleeting = ["one", "c7", "two", "c299"].map((id) => task(id, { retentionMs: 0 }));
    for (const request of fleeting) {
      await broker.enqueue([request]);
      const [delivery] = await claimAll(broker, 1, stage.signal);
      assert.ok(delivery);
      assert.equal(delivery.mayBeCancelled, request.id.startsWith("c"), request.id);
      await broker.complete([done(delivery, { retentionMs: 0 })]);
    }
  });

  sentence("a queued task that is cancelled is recorded so, and is never run unknowingly", async (stage) => {
    const [broker, client] = [await stage.open("a"), await stage.open(null)];
    await broker.enqueue([task("one"), task("two")]);
    assert.deepEqual(await client.cancel(["one"]), [{ id: "one", state: "queued" }]);
    const record = await broker.record("one");
    assert.equal(record?.state, "cancelled");
    assert.ok((record?.finished_at ?? 0) > 0);
    const seen: string[] = [];
    while (!seen.includes("two")) {
      for (const delivery of await broker.claim(1, stage.signal)) {
        const id = idOf(delivery);
        seen.push(id);
        if (id === "two") {
          assert.deepEqual(await broker.cancelled(["two"]), []);
        } else {
          // Taken out by the executor: it must be told to ask, and be told the truth.
          assert.equal(delivery.mayBeCancelled, true);
          assert.deepEqual(await broker.cancelled(["one"]), ["one"]);
          await broker.complete([cancelledBy(delivery)]);
        }
      }
    }
    assert.equal((await broker.record("one"))?.state, "cancelled");
    await eventually(15_000, async () => (await broker.backlog()).lag === 0);
  });

  sentence("a scheduled task that is cancelled never comes", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one", { delayMs: 50 }), task("two", { delayMs: 60 })]);
    assert.deepEqual(await broker.cancel(["one"]), [{ id: "one", state: "scheduled" }]);
    assert.equal((await broker.record("one"))?.state, "cancelled");
    let promoted = 0;
    await eventually(15_000, async () => {
      promoted += (await broker.promote(10)).promoted;
      return promoted > 0;
    });
    assert.equal(promoted, 1);
    assert.equal(idOf(await claimOne(broker, stage.signal)), "two");
    assert.deepEqual(await broker.promote(10), { promoted: 0, nextInMs: null });
  });

  sentence("a retrying task that is cancelled never comes again", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    await broker.complete([retry(await claimOne(broker, stage.signal), { delayMs: 50 })]);
    assert.deepEqual(await broker.cancel(["one"]), [{ id: "one", state: "retrying" }]);
    assert.equal((await broker.record("one"))?.state, "cancelled");
    assert.deepEqual(await broker.promote(10), { promoted: 0, nextInMs: null });
    assert.deepEqual(await countsOf(broker), [{ name: QUEUE, queued: 0, running: 0, scheduled: 0, dead: 0 }]);
  });

  sentence("a cancel of a running task is pushed to its executor and flagged until it ends", async (stage) => {
    const [executor, client] = [await stage.open("a"), await stage.open(null)];
    const told: string[] = [];
    const undo = executor.onCancel((ids) => told.push(...ids));
    await executor.enqueue(tasks(2));
    const [first, second] = await claimAll(executor, 2, stage.signal);
    assert.ok(first && second);
    const at = performance.now();
    assert.deepEqual(await client.cancel(["t0"]), [{ id: "t0", state: "running" }]);
    await eventually(15_000, () => told.includes("t0"));
    const tookMs = performance.now() - at;
    stage.within(1000, at, () => assert.ok(tookMs < 1000, `it took ${tookMs} ms`));
    assert.deepEqual(await executor.cancelled(["t0", "t1"]), ["t0"]);
    assert.equal((await client.record("t0"))?.state, "running");
    assert.deepEqual(await executor.complete([cancelledBy(first)]), ["recorded"]);
    assert.equal((await client.record("t0"))?.state, "cancelled");
    undo();
    await client.cancel(["t1"]);
    await executor.complete([done(second)]);
    assert.ok(!told.includes("t1"), "a listener that was taken off hears nothing");
  });

  sentence("a broker hears of its own cancels too", async (stage) => {
    const broker = await stage.open("a");
    const told: string[] = [];
    broker.onCancel((ids) => told.push(...ids));
    await broker.enqueue([task("one")]);
    await claimOne(broker, stage.signal);
    await broker.cancel(["one"]);
    await eventually(15_000, () => told.includes("one"));
  });

  sentence("a cancel of an unknown id is flagged, so that the task is known when it comes", async (stage) => {
    const broker = await stage.open("a");
    assert.deepEqual(await broker.cancel(["early"]), [{ id: "early", state: null }]);
    assert.deepEqual(await broker.cancelled(["early", "other"]), ["early"]);
    await broker.enqueue([task("early")]);
    const delivery = await claimOne(broker, stage.signal);
    assert.deepEqual(await broker.cancelled([idOf(delivery)]), ["early"]);
    assert.deepEqual(await broker.complete([cancelledBy(delivery)]), ["recorded"]);
  });

  sentence("a cancel of an ended task tells its state and changes nothing", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    await broker.complete([done(await claimOne(broker, stage.signal))]);
    assert.deepEqual(await broker.cancel(["one"]), [{ id: "one", state: "done" }]);
    assert.equal((await broker.record("one"))?.state, "done");
  });

  sentence("many ids are cancelled in one call, each with its own state", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("runs")]);
    await claimOne(broker, stage.signal);
    await broker.enqueue([task("waits"), task("sleeps", { delayMs: 60_000 })]);
    assert.deepEqual(await broker.cancel(["sleeps", "nobody", "runs", "waits"]), [
      { id: "sleeps", state: "scheduled" },
      { id: "nobody", state: null },
      { id: "runs", state: "running" },
      { id: "waits", state: "queued" },
    ]);
  });
}
