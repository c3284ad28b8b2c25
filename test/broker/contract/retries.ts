/** Retries by hand: dead and cancelled tasks begin again from their first attempt. */
import assert from "node:assert/strict";
import { cancelledBy, claimAll, claimOne, dead, done, idOf, retry, task } from "../../stage/outcomes.ts";
import { assertBetween, countOf, LEASE_MS, NOTHING, reclaimAll, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

export function retrySentences(sentence: Sentence): void {
  sentence("a dead task that is retried begins again from its first attempt", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    const error = { name: "Error", message: "no" };
    const first = await claimOne(broker, stage.signal);
    await broker.complete([retry(first, { told: { progress: 0.5, log: "half" } })]);
    await eventually(15_000, async () => (await broker.promote(10)).promoted === 1);
    const second = await claimOne(broker, stage.signal);
    assert.match(second.raw ?? "", /"attempt":2/);
    await broker.complete([dead(second, { attempt: 2, error })]);
    assert.deepEqual(await countOf(broker), { ...NOTHING, dead: 1 });

    assert.deepEqual(await broker.retry(["one"]), [{ id: "one", state: "dead", retried: true }]);
    const record = await broker.record("one");
    assert.deepEqual(
      { ...record, enqueued_at: 0, message: "" },
      {
        ...record,
        state: "queued",
        attempt: 0,
        crashes: 0,
        completions: 0,
        progress: 0,
        progress_msg: "",
        result: null,
        reason: null,
        error: null,
        executor: null,
        started_at: null,
        finished_at: null,
        due_at: null,
        enqueued_at: 0,
        message: "",
      },
    );
    assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1 });
    const third = await claimOne(broker, stage.signal);
    assert.equal(idOf(third), "one");
    assert.doesNotMatch(third.raw ?? "", /attempt/);
    assert.deepEqual(JSON.parse(third.raw ?? "").payload, { of: "one" });
    assert.equal(third.deliveries, 1);
    await broker.complete([done(third)]);
    assert.equal((await broker.record("one"))?.state, "done");
    assert.equal((await broker.record("one"))?.completions, 1);
    assert.deepEqual(await countOf(broker), { ...NOTHING, done: 1 });
  });

  sentence(
    "what is known of a task's deaths travels in its message, and a take-over changes nothing",
    async (stage) => {
      const [a, b] = [await stage.open("a", { leaseMs: LEASE_MS }), await stage.open("b", { leaseMs: LEASE_MS })];
      await a.enqueue([task("one")]);
      await claimOne(a, stage.signal);
      const [taken] = await reclaimAll(b, 1);
      assert.ok(taken && taken.deliveries > 1);
      assert.equal((await a.record("one"))?.crashes, 0);
      const taskexe = { crashes: 2, crash_reasons: ["killed by SIGSEGV"], deaths: 5, company: 0, failures: 3 };
      const message = JSON.stringify({ ...JSON.parse(taken.raw ?? ""), taskexe });
      await b.complete([retry(taken, { attempt: 0, crashes: 2, message })]);
      const retrying = await a.record("one");
      assert.deepEqual([retrying?.state, retrying?.attempt, retrying?.crashes], ["retrying", 0, 2]);
      await eventually(15_000, async () => (await a.promote(10)).promoted === 1);
      assert.equal((await a.record("one"))?.crashes, 2);
      const again = await claimOne(a, stage.signal);
      assert.deepEqual([JSON.parse(again.raw ?? "").taskexe, again.deliveries], [taskexe, 1]);
      const running = await b.record("one");
      assert.deepEqual([running?.state, running?.attempt, running?.crashes], ["running", 1, 2]);
      await a.complete([dead(again, { crashes: 3 })]);
      assert.equal((await a.record("one"))?.crashes, 3);
      await a.retry(["one"]);
      assert.doesNotMatch((await claimOne(a, stage.signal)).raw ?? "", /crash|deaths|company/);
    },
  );

  sentence("a task keeps when it was enqueued, through its attempts, its delays and a retry by hand", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one", { delayMs: 50 })]);
    const enqueuedAt = (await broker.record("one"))?.enqueued_at;
    assertBetween(enqueuedAt, 1, broker.now());
    const keeps = async (when: string) => assert.equal((await broker.record("one"))?.enqueued_at, enqueuedAt, when);
    await eventually(15_000, async () => (await broker.promote(10)).promoted === 1);
    const first = await claimOne(broker, stage.signal);
    await broker.writeProgress([
      {
        delivery: first,
        id: "one",
        type: "t",
        attempt: 1,
        startedAt: broker.now(),
        progress: 0.5,
        progressMsg: "half",
      },
    ]);
    await keeps("while its first attempt tells something");
    await broker.complete([retry(first, { told: { progress: 0.5, log: "half" } })]);
    await keeps("before its second attempt");
    await eventually(15_000, async () => (await broker.promote(10)).promoted === 1);
    const second = await claimOne(broker, stage.signal);
    await broker.complete([dead(second, { attempt: 2, error: { name: "Error", message: "no" } })]);
    await keeps("when it is dead");
    await broker.retry(["one"]);
    await keeps("when it is queued by hand");
    await broker.complete([done(await claimOne(broker, stage.signal), { told: { progress: 1, log: "all" } })]);
    await keeps("when it is done");
  });

  sentence("a task cancelled while it waited runs exactly once after its retry", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    await broker.cancel(["one"]);
    assert.deepEqual(await broker.retry(["one"]), [{ id: "one", state: "cancelled", retried: true }]);
    await broker.enqueue([task("last")]);
    const claimed = await claimAll(broker, 2, stage.signal);
    assert.deepEqual(claimed.map(idOf), ["one", "last"]);
    assert.deepEqual(await broker.cancelled(["one", "last"]), [], "the cancel must not hit it again");
    assert.deepEqual(
      await broker.complete(claimed.map((delivery) => done(delivery))),
      claimed.map(() => "recorded"),
    );
    assert.deepEqual(await countOf(broker), { ...NOTHING, done: 2 });
  });

  sentence("a task cancelled while it ran, or while it waited for its time, is retried too", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("ran"), task("slept", { delayMs: 60_000 })]);
    const delivery = await claimOne(broker, stage.signal);
    await broker.cancel(["ran", "slept"]);
    await broker.complete([cancelledBy(delivery)]);
    assert.deepEqual(await countOf(broker), { ...NOTHING, cancelled: 2 });
    assert.deepEqual(await broker.retry(["ran", "slept"]), [
      { id: "ran", state: "cancelled", retried: true },
      { id: "slept", state: "cancelled", retried: true },
    ]);
    const claimed = await claimAll(broker, 2, stage.signal);
    assert.deepEqual(claimed.map(idOf), ["ran", "slept"]);
    assert.deepEqual(await broker.cancelled(["ran", "slept"]), []);
    assert.deepEqual(await countOf(broker), { ...NOTHING, running: 2 });
  });

  sentence("a task without retention leaves nothing once it is done after its retry", async (stage) => {
    const broker = await stage.open("a");
    for (const end of [dead, cancelledBy]) {
      await broker.enqueue([task("one", { retentionMs: 0 })]);
      await broker.complete([end(await claimOne(broker, stage.signal), { recorded: false })]);
      assert.equal((await broker.retry(["one"]))[0]?.retried, true);
      assert.equal((await broker.retry(["one"]))[0]?.retried, false);
      const again = await claimOne(broker, stage.signal);
      assert.equal(idOf(again), "one");
      await broker.complete([done(again, { retentionMs: 0, recorded: false })]);
      assert.equal(await broker.record("one"), null);
      assert.deepEqual(await countOf(broker), NOTHING);
    }
  });

  sentence("only dead and cancelled tasks are retried, and each once", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("done"), task("dead")]);
    const [one, two] = await claimAll(broker, 2, stage.signal);
    assert.ok(one && two);
    await broker.complete([done(one), dead(two)]);
    await broker.enqueue([task("waits"), task("sleeps", { delayMs: 60_000 })]);
    assert.deepEqual(await broker.retry(["done", "dead", "waits", "sleeps", "nobody", "dead"]), [
      { id: "done", state: "done", retried: false },
      { id: "dead", state: "dead", retried: true },
      { id: "waits", state: "queued", retried: false },
      { id: "sleeps", state: "scheduled", retried: false },
      { id: "nobody", state: null, retried: false },
      { id: "dead", state: "queued", retried: false },
    ]);
    assert.deepEqual((await claimAll(broker, 2, stage.signal)).map(idOf), ["waits", "dead"]);
    assert.deepEqual(await countOf(broker), { ...NOTHING, running: 2, scheduled: 1, done: 1 });
  });

  sentence("five people who retry the same dead task at once queue it once", async (stage) => {
    const brokers = await Promise.all(["a", "b", "c", "d", "e"].map((name) => stage.open(name)));
    const [broker] = brokers;
    assert.ok(broker);
    await broker.enqueue([task("one")]);
    await broker.complete([dead(await claimOne(broker, stage.signal))]);
    const receipts = (await Promise.all(brokers.map((each) => each.retry(["one"])))).flat();
    assert.equal(receipts.filter(({ retried }) => retried).length, 1);
    assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1 });
  });

  sentence("a retry of more than 1 000 ids is refused, and one of none is no work", async (stage) => {
    const broker = await stage.open("a");
    const ids = Array.from({ length: 1001 }, (_, index) => `t${index}`);
    await assert.rejects(async () => broker.retry(ids), RangeError);
    assert.deepEqual(await broker.retry([]), []);
  });
}
