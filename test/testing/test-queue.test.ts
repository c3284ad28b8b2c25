/** The queue of a test, on each runtime: what is enqueued, what a drain runs, and what time has to do with it. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import * as v from "valibot";
import { defineTask, sleep, sleepForever } from "../../src/index.ts";
import { MockClock, TestQueue, type TestQueueOptions } from "../../src/testing.ts";

const opened: TestQueue[] = [];
after(async () => {
  for (const queue of opened) await queue.close();
});

async function open(options?: TestQueueOptions): Promise<TestQueue> {
  const queue = await TestQueue.open(options);
  opened.push(queue);
  return queue;
}

const double = defineTask({ type: "double", payload: v.number(), run: ({ payload }) => payload * 2 });

describe("TestQueue", () => {
  test("runs nothing until it is drained, and then all that is due", async () => {
    const queue = await open({ tasks: [double] });
    for (const n of [1, 2, 3]) await queue.client.enqueue(double, n, { id: `n${n}` });
    assert.equal((await queue.client.task("n1"))?.state, "queued");
    const runs = await queue.drain();
    assert.deepEqual(
      runs.map(({ id, state, result }) => [id, state, result]),
      [
        ["n1", "done", 2],
        ["n2", "done", 4],
        ["n3", "done", 6],
      ],
    );
    assert.equal((await queue.client.task("n3"))?.result, 6);
    assert.deepEqual(await queue.drain(), []);
  });

  test("runs what a handler enqueues, as any other task", async () => {
    const parent = defineTask({ type: "parent", run: ({ enqueue }) => enqueue(double, 4, { id: "child" }) });
    const queue = await open({ tasks: [double, parent] });
    await queue.client.enqueue(parent, null, { id: "parent" });
    const runs = await queue.drain();
    assert.deepEqual(
      runs.map(({ id, state }) => [id, state]),
      [
        ["parent", "done"],
        ["child", "done"],
      ],
    );
    assert.equal(JSON.parse((await queue.client.task("child"))?.message ?? "{}").taskexe.parent, "parent");
  });

  test("tells what was enqueued, in order, each task once", async () => {
    const queue = await open({ tasks: [double], clock: new MockClock() });
    await queue.client.enqueue(double, 1, { id: "one", queue: "other", priority: 1, delayMs: 1_000 });
    await queue.client.enqueue(double, 1, { id: "one" });
    await queue.client.enqueue("unheard of", { a: [1] }, { id: "two" });
    assert.deepEqual(queue.enqueued(), [
      { id: "one", type: "double", payload: 1, queue: "other", priority: 1, delayMs: 1_000 },
      { id: "two", type: "unheard of", payload: { a: [1] }, queue: "common", priority: 0, delayMs: 0 },
    ]);
  });

  test("drains what tasks enqueue, too, and says so where that has no end", async () => {
    const again = defineTask({
      type: "again",
      payload: v.number(),
      async run({ payload }) {
        if (payload > 0) await queue.client.enqueue(again, payload - 1);
      },
    });
    const queue = await open({ tasks: [again] });
    await queue.client.enqueue(again, 4);
    assert.equal((await queue.drain()).length, 5);
    assert.deepEqual(
      queue.enqueued().map(({ payload }) => payload),
      [4, 3, 2, 1, 0],
    );
    await queue.client.enqueue(again, 1_000);
    await assert.rejects(queue.drain({ most: 20 }), /not empty after 20 attempts: does a task enqueue itself/);
  });

  test("leaves for later what is due later, until the clock has moved", async () => {
    const clock = new MockClock();
    const flaky = defineTask({
      type: "flaky",
      backoff: { kind: "fixed", delay_ms: 60_000 },
      run({ attempt }) {
        if (attempt < 3) throw new Error(`attempt ${attempt}`);
        return "at last";
      },
    });
    const queue = await open({ tasks: [flaky, double], clock });
    await queue.client.enqueue(flaky, null, { id: "flaky" });
    await queue.client.enqueue(double, 1, { id: "later", delayMs: 90_000 });
    const rounds: unknown[] = [];
    for (let round = 0; round < 3; round++) {
      rounds.push((await queue.drain()).map(({ id, state }) => [id, state]).sort());
      await clock.advance(60_000);
    }
    assert.deepEqual(rounds, [
      [["flaky", "retrying"]],
      [["flaky", "retrying"]],
      [
        ["flaky", "done"],
        ["later", "done"],
      ],
    ]);
    const record = await queue.client.task("flaky");
    assert.deepEqual([record?.result, record?.errors.length], ["at last", 2]);
  });

  test("a cancel by the client reaches what runs", async () => {
    const waits = defineTask({ type: "waits", run: ({ signal }) => sleepForever(signal) });
    const cancels = defineTask({ type: "cancels", run: () => queue.client.cancel("long").then(() => null) });
    const queue = await open({ tasks: [waits, cancels] });
    await queue.client.enqueue(waits, null, { id: "long" });
    await queue.client.enqueue(cancels, null, { id: "short" });
    const states = new Map((await queue.drain()).map(({ id, state }) => [id, state]));
    assert.deepEqual([states.get("long"), states.get("short")], ["cancelled", "done"]);
    assert.equal((await queue.client.task("long"))?.state, "cancelled");
  });

  test("runs as many side by side as it is told, urgent ones first", async () => {
    let [now, most] = [0, 0];
    const order: unknown[] = [];
    const busy = defineTask({
      type: "busy",
      async run({ signal, task }) {
        order.push(task.id);
        most = Math.max(most, ++now);
        await sleep(1, signal);
        now--;
      },
    });
    const queue = await open({ tasks: [busy], concurrency: 2 });
    for (const [id, priority] of [
      ["a", 0],
      ["b", 0],
      ["c", 9],
    ] as const) {
      await queue.client.enqueue(busy, null, { id, priority });
    }
    await queue.drain();
    assert.deepEqual([most, order], [2, ["c", "a", "b"]]);
  });

  test("has the logs, the defaults that it is given, and the built-in handlers", async () => {
    const logs = defineTask({ type: "logs", run: ({ log }) => log.info("a line") });
    const queue = await open({ tasks: [logs], defaults: { attempts: 1 } });
    await queue.client.enqueue(logs, null, { id: "logs" });
    await queue.client.enqueue("fail", null, { id: "fail" });
    await queue.client.enqueue("unheard of", null, { id: "unheard" });
    const states = new Map((await queue.drain()).map(({ id, state }) => [id, state]));
    assert.deepEqual([...states].sort(), [
      ["fail", "dead"],
      ["logs", "done"],
      ["unheard", "retrying"],
    ]);
    assert.deepEqual(
      (await queue.client.logs("logs")).map(({ text }) => text),
      ["a line"],
    );
  });

  test("two of them know nothing of each other", async () => {
    const one = await open();
    const two = await open();
    await one.client.enqueue("noop", null, { id: "x" });
    assert.equal(await two.client.task("x"), null);
    assert.deepEqual([(await two.drain()).length, (await one.drain()).length], [0, 1]);
  });
});
