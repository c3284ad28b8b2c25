/** Changes by hand to tasks that wait: payload, priority, time; and a retry with another payload. */
import assert from "node:assert/strict";
import type { Broker, Delivery } from "../../../src/broker/broker.ts";
import { claimAll, claimOne, dead, done, idOf, parked, QUEUE, retry, task, tasks } from "../../stage/outcomes.ts";
import { countOf, NOTHING, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

const HOUR = 3_600_000;

function payloadOf(delivery: Delivery): unknown {
  return JSON.parse(delivery.raw ?? "").payload;
}

export function editSentences(sentence: Sentence): void {
  sentence("a task whose time has not come is queued at once by hand, and runs once", async (stage) => {
    const [broker, client] = [await stage.open("a"), await stage.open(null)];
    await broker.enqueue([task("slept", { delayMs: HOUR }), task("failed")]);
    const failed = await claimOne(broker, stage.signal);
    await broker.complete([retry(failed, { delayMs: HOUR })]);
    assert.deepEqual(await countOf(broker), { ...NOTHING, scheduled: 2 });
    assert.deepEqual(
      await client.edit([
        { id: "slept", delayMs: 0 },
        { id: "failed", delayMs: 0 },
      ]),
      [
        { id: "slept", state: "scheduled", edited: true },
        { id: "failed", state: "retrying", edited: true },
      ],
    );
    assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 2 });
    const record = await broker.record("slept");
    assert.deepEqual([record?.state, record?.due_at], ["queued", null]);
    // What is in line already has nothing to gain.
    assert.deepEqual(await client.edit([{ id: "slept", delayMs: 0 }]), [
      { id: "slept", state: "queued", edited: false },
    ]);
    const claimed = await claimAll(broker, 2, stage.signal);
    assert.deepEqual(claimed.map(idOf), ["slept", "failed"]);
    assert.match(claimed[1]?.raw ?? "", /"attempt":2/);
    await broker.complete(claimed.map((delivery) => done(delivery)));
    assert.deepEqual(await countOf(broker), { ...NOTHING, done: 2 });
    assert.equal((await broker.promote(10)).promoted, 0);
  });

  sentence("a task that keeps no record is queued by hand, too, and leaves nothing", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one", { delayMs: HOUR, retentionMs: 0 })]);
    assert.deepEqual(await broker.edit([{ id: "one", delayMs: 0 }]), [{ id: "one", state: "scheduled", edited: true }]);
    await broker.complete([done(await claimOne(broker, stage.signal), { retentionMs: 0 })]);
    assert.equal(await broker.record("one"), null);
    assert.deepEqual(await countOf(broker), NOTHING);
  });

  sentence(
    "a waiting task runs with the payload that it was given by hand, and with all else it had",
    async (stage) => {
      const broker = await stage.open("a");
      const options = { retention_ms: 60_000, attempts: 7 };
      const message = (id: string) => JSON.stringify({ id, task_type: "noop", payload: 1, x: [1.0], taskexe: options });
      const ids = ["queued", "slept", "failed"];
      await broker.enqueue([task("failed", { message: message("failed") })]);
      await broker.complete([
        retry(await claimOne(broker, stage.signal), { delayMs: HOUR, message: message("failed") }),
      ]);
      await broker.enqueue([
        task("queued", { message: message("queued") }),
        task("slept", { message: message("slept"), delayMs: HOUR }),
      ]);
      const receipts = await broker.edit(ids.map((id) => ({ id, payload: '{"n":12345678901234567890}' })));
      assert.deepEqual(
        receipts.map(({ state, edited }) => [state, edited]),
        [
          ["queued", true],
          ["scheduled", true],
          ["retrying", true],
        ],
      );
      assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1, scheduled: 2 });
      await broker.edit(["slept", "failed"].map((id) => ({ id, delayMs: 0 })));
      const claimed = await claimAll(broker, 3, stage.signal);
      assert.deepEqual(new Set(claimed.map(idOf)), new Set(ids));
      for (const delivery of claimed) {
        assert.match(delivery.raw ?? "", /"payload":\{"n":12345678901234567890\}/);
        const { x, taskexe } = JSON.parse(delivery.raw ?? "");
        assert.deepEqual([x, taskexe], [[1], options]);
      }
      await broker.complete(claimed.map((delivery) => done(delivery)));
      assert.deepEqual(await countOf(broker), { ...NOTHING, done: 3 });
      assert.match((await broker.record("queued"))?.message ?? "", /12345678901234567890/);
    },
  );

  sentence("a waiting task with another priority comes in the line of that one", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([...tasks(3), task("urgent", { priority: 1 }), task("slept", { delayMs: HOUR })]);
    await broker.edit([
      { id: "t1", priority: 1 },
      { id: "urgent", priority: 0 },
      { id: "slept", priority: 1, delayMs: 0 },
    ]);
    assert.equal((await broker.record("t1"))?.priority, 1);
    assert.equal((await broker.record("urgent"))?.priority, 0);
    const claimed = await claimAll(broker, 5, stage.signal);
    assert.deepEqual(claimed.map(idOf), ["t1", "slept", "t0", "t2", "urgent"]);
    await broker.complete(claimed.map((delivery) => done(delivery)));
    assert.deepEqual(await countOf(broker), { ...NOTHING, done: 5 });
    await assert.rejects(broker.edit([{ id: "t1", priority: 2 }]), RangeError);
    await assert.rejects(broker.edit([{ id: "t1", delayMs: -1 }]), RangeError);
  });

  sentence("a waiting task is given a later time by hand, and comes then", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("queued"), task("slept", { delayMs: 1_000 }), task("other")]);
    const before = broker.now();
    assert.deepEqual(
      await broker.edit([
        { id: "queued", delayMs: HOUR },
        { id: "slept", delayMs: HOUR },
      ]),
      [
        { id: "queued", state: "queued", edited: true },
        { id: "slept", state: "scheduled", edited: true },
      ],
    );
    assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1, scheduled: 2 });
    const record = await broker.record("queued");
    assert.equal(record?.state, "scheduled");
    assert.ok((record?.due_at ?? 0) >= before + HOUR - 1_000, String(record?.due_at));
    assert.deepEqual((await claimAll(broker, 1, stage.signal)).map(idOf), ["other"]);
    await broker.edit([
      { id: "queued", delayMs: 1 },
      { id: "slept", delayMs: 1 },
    ]);
    await eventually(15_000, async () => {
      await broker.promote(10);
      return (await countOf(broker)).queued === 2;
    });
    const claimed = await claimAll(broker, 2, stage.signal);
    assert.deepEqual(new Set(claimed.map(idOf)), new Set(["queued", "slept"]));
    await broker.complete(claimed.map((delivery) => done(delivery)));
    await eventually(15_000, async () => (await broker.backlog()).lag === 0);
  });

  sentence("what runs, has ended or is not known is left as it is, and its state is told", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("runs"), task("done"), task("dead")]);
    const [runs, first, second] = await claimAll(broker, 3, stage.signal);
    assert.ok(runs && first && second);
    await broker.complete([done(first), dead(second)]);
    const change = { payload: '"new"', priority: 1, delayMs: HOUR };
    const receipts = await broker.edit(["runs", "done", "dead", "nobody"].map((id) => ({ id, ...change })));
    assert.deepEqual(
      receipts.map(({ id, state, edited }) => [id, state, edited]),
      [
        ["runs", "running", false],
        ["done", "done", false],
        ["dead", "dead", false],
        ["nobody", null, false],
      ],
    );
    assert.deepEqual(payloadOf(runs), { of: "runs" });
    assert.deepEqual(await broker.complete([done(runs)]), ["recorded"]);
    for (const id of ["runs", "done", "dead"]) assert.doesNotMatch((await broker.record(id))?.message ?? "", /new/);
    assert.deepEqual(await countOf(broker), { ...NOTHING, done: 2, dead: 1 });
  });

  sentence("the message of another program has no payload of its own to be changed", async (stage) => {
    const broker = await stage.open("a");
    const message = JSON.stringify({ id: "foreign", task_type: "noop", doc: 7 });
    await broker.enqueue([task("foreign", { message }), task("dies", { message: message.replace("foreign", "dies") })]);
    const [receipt] = await broker.edit([{ id: "foreign", payload: "1" }]);
    assert.equal(receipt?.edited, false);
    assert.match(receipt?.refused ?? "", /another program's/);
    const claimed = await claimAll(broker, 2, stage.signal);
    assert.equal(claimed.find((delivery) => idOf(delivery) === "foreign")?.raw, message);
    await broker.complete(claimed.map((delivery) => dead(delivery)));
    const [retried] = await broker.retry(["dies"], "1");
    assert.equal(retried?.retried, false);
    assert.match(retried?.refused ?? "", /another program's/);
    assert.equal((await broker.record("dies"))?.state, "dead");
  });

  sentence("a task that waits aside, since its type is paused, is changed there", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one", { type: "p" }), task("two", { type: "p" })]);
    await broker.pause({ kind: "type", name: "p" });
    // Where a claim met them before the pause, whoever did parks them.
    const met = await broker.claim(2, stage.signal);
    await broker.complete(met.map((delivery) => parked(delivery)));
    const receipts = await broker.edit([
      { id: "one", payload: '"new"' },
      { id: "two", delayMs: HOUR },
    ]);
    assert.deepEqual(
      receipts.map(({ state, edited }) => [state, edited]),
      [
        ["queued", true],
        ["queued", true],
      ],
    );
    assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 1, scheduled: 1 });
    await broker.resume({ kind: "type", name: "p" });
    await broker.promote(10);
    const claimed = await claimOne(broker, stage.signal);
    assert.deepEqual([idOf(claimed), payloadOf(claimed)], ["one", "new"]);
    assert.deepEqual(await countOf(broker), { ...NOTHING, running: 1, scheduled: 1 });
  });

  sentence("dead and cancelled tasks are retried with another payload", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("died"), task("waited")]);
    await broker.complete([dead(await claimOne(broker, stage.signal), { attempt: 3 })]);
    await broker.cancel(["waited"]);
    assert.deepEqual(await broker.retry(["died", "waited", "nobody"], '{"fixed":true}'), [
      { id: "died", state: "dead", retried: true },
      { id: "waited", state: "cancelled", retried: true },
      { id: "nobody", state: null, retried: false },
    ]);
    const claimed = await claimAll(broker, 2, stage.signal);
    assert.deepEqual(claimed.map(payloadOf), [{ fixed: true }, { fixed: true }]);
    assert.deepEqual(new Set(claimed.map(idOf)), new Set(["died", "waited"]));
    await broker.complete(claimed.map((delivery) => done(delivery)));
    assert.deepEqual(await countOf(broker), { ...NOTHING, done: 2 });
  });

  sentence("tasks that are changed while others claim them run once, as they were before or after", async (stage) => {
    const [a, b, client] = [await stage.open("a"), await stage.open("b"), await stage.open(null)];
    const ids = Array.from({ length: 300 }, (_, index) => `t${index}`);
    await client.enqueue(ids.map((id, index) => task(id, index % 3 === 0 ? { delayMs: HOUR } : {})));
    const ran: { id: string; payload: unknown }[] = [];
    const work = async (broker: Broker): Promise<void> => {
      while (ran.length < ids.length) {
        const claimed = await broker.claim(7, stage.signal);
        ran.push(...claimed.map((delivery) => ({ id: idOf(delivery), payload: payloadOf(delivery) })));
        const results = await broker.complete(claimed.map((delivery) => done(delivery)));
        assert.ok(results.every((result) => result === "recorded"));
      }
    };
    const edited = new Map<string, boolean>();
    const change = async (): Promise<void> => {
      for (let from = 0; from < ids.length; from += 10) {
        const some = ids.slice(from, from + 10);
        const receipts = await client.edit(
          some.map((id, index) => ({ id, payload: '"new"', delayMs: 0, ...(index % 2 === 0 ? { priority: 1 } : {}) })),
        );
        for (const receipt of receipts) edited.set(receipt.id, receipt.edited);
      }
    };
    await Promise.all([work(a), work(b), change()]);
    assert.deepEqual(ran.map(({ id }) => id).sort(), [...ids].sort());
    for (const { id, payload } of ran) {
      assert.deepEqual(payload, edited.get(id) ? "new" : { of: id }, `${id} was edited: ${edited.get(id)}`);
    }
    assert.deepEqual(await countOf(client), { ...NOTHING, done: ids.length });
    // What an edit has left in a line goes when it is claimed, and nobody is given it.
    const [left] = await Promise.all([a.claim(10, stage.signal), b.claim(10, stage.signal)]);
    assert.deepEqual(left, []);
    await eventually(15_000, async () => (await a.backlog()).lag === 0);
    assert.equal((await client.counts([QUEUE]))[0]?.queued, 0);
  });
}
