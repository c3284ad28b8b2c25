/** Claims: order, limits, waiting, abort, and that nobody gets what another has. */
import assert from "node:assert/strict";
import type { Delivery } from "../../../src/broker/broker.ts";
import { checkpoint, openRoot, sleep } from "../../../src/concurrency/index.ts";
import { claimAll, claimOne, done, idOf, QUEUE, task, tasks } from "../../stage/outcomes.ts";
import { assertBetween, CLAIM_WAITS_MS, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

export function claimSentences(sentence: Sentence): void {
  sentence("tasks come urgent first, and in the order of their enqueue within a priority", async (stage) => {
    const broker = await stage.open("a", { priorities: 3 });
    const priorities = [0, 2, 1, 0, 2, 1, 0];
    await broker.enqueue(priorities.map((priority, index) => task(`p${priority}-${index}`, { priority })));
    const claimed = await claimAll(broker, 7, stage.signal);
    assert.deepEqual(claimed.map(idOf), ["p2-1", "p2-4", "p1-2", "p1-5", "p0-0", "p0-3", "p0-6"]);
    assert.deepEqual(claimed[0]?.priority, 2);
  });

  sentence("an urgent task overtakes those that were queued before it", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue(tasks(3));
    assert.equal(idOf(await claimOne(broker, stage.signal)), "t0");
    await broker.enqueue([task("urgent", { priority: 1 })]);
    assert.equal(idOf(await claimOne(broker, stage.signal)), "urgent");
  });

  sentence("a delivery shows the message as it came, its queue, its number and when it was queued", async (stage) => {
    const broker = await stage.open("a", { queues: [QUEUE, "other"] });
    const before = broker.now();
    const message = '{"id":"one", "task_type":"noop",  "payload":"\\u00e4 \u{1F980}"}';
    await broker.enqueue([task("one", { message, queue: "other", priority: 1 })]);
    const after = broker.now();
    const delivery = await claimOne(broker, stage.signal);
    assert.equal(delivery.raw, message);
    assert.equal(delivery.queue, "other");
    assert.equal(delivery.priority, 1);
    assert.equal(delivery.problem, null);
    assert.equal(delivery.deliveries, 1);
    assert.equal(delivery.mayBeCancelled, false);
    assertBetween(delivery.queuedAt, before, after);
  });

  sentence("a claim never gives more than it was asked for", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue(tasks(10));
    const seen = new Set<string>();
    while (seen.size < 10) {
      const some = await broker.claim(3, stage.signal);
      assert.ok(some.length >= 1 && some.length <= 3, `got ${some.length}`);
      for (const delivery of some) seen.add(idOf(delivery));
    }
  });

  sentence("a long message comes through whole", async (stage) => {
    const broker = await stage.open("a");
    const message = JSON.stringify({ id: "long", task_type: "noop", payload: "x".repeat(3_000_000) });
    await broker.enqueue([task("long", { message })]);
    assert.equal((await claimOne(broker, stage.signal)).raw, message);
  });

  sentence("a waiting claim wakes when another process' broker enqueues", async (stage) => {
    const [executor, producer] = [await stage.open("a"), await stage.open(null)];
    for (let i = 0; i < 3; i += 1) {
      const begun = performance.now();
      const waiting = executor.claim(5, stage.signal);
      await sleep(50, stage.signal);
      await producer.enqueue([task(`t${i}`)]);
      const at = performance.now();
      const claimed = await waiting;
      const tookMs = performance.now() - at;
      stage.within(CLAIM_WAITS_MS, begun, () => assert.deepEqual(claimed.map(idOf), [`t${i}`]));
      stage.within(500, at, () => assert.ok(tookMs < 500, `it took ${tookMs} ms`));
    }
  });

  sentence("a waiting claim wakes at once when its own broker enqueues", async (stage) => {
    const broker = await stage.open("a");
    const begun = performance.now();
    const waiting = broker.claim(5, stage.signal);
    await sleep(50, stage.signal);
    await broker.enqueue([task("one")]);
    const claimed = await waiting;
    stage.within(CLAIM_WAITS_MS, begun, () => assert.deepEqual(claimed.map(idOf), ["one"]));
  });

  sentence("a claim with nothing to take answers empty after some seconds", async (stage) => {
    const broker = await stage.open("a");
    const at = performance.now();
    assert.deepEqual(await broker.claim(5, stage.signal), []);
    const tookMs = performance.now() - at;
    assert.ok(tookMs > CLAIM_WAITS_MS && tookMs < 15_000, `it took ${tookMs} ms`);
  });

  sentence("an aborted claim rejects with the signal's reason and leaves nothing claimed", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    const scope = openRoot();
    const begun = performance.now();
    const claiming = Promise.allSettled([a.claim(5, scope.signal)]);
    await sleep(30, stage.signal);
    scope.cancel("no longer wanted");
    const [claim] = await claiming;
    stage.within(CLAIM_WAITS_MS, begun, () => assert.equal(claim.status, "rejected"));
    assert.equal(claim.status === "rejected" && claim.reason, scope.signal.reason);
    await assert.rejects(a.claim(5, scope.signal), (error) => error === scope.signal.reason);
    await b.enqueue([task("one")]);
    const delivery = await claimOne(b, stage.signal);
    assert.deepEqual(await b.backlog(), { pending: 1, lag: 0 });
    assert.deepEqual(await b.complete([done(delivery)]), ["recorded"]);
  });

  sentence("a claim that is aborted while tasks come in loses none of them", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    const got: Delivery[] = [];
    for (let i = 0; i < 30; i += 1) {
      const scope = openRoot();
      const claimed = a.claim(5, scope.signal).then(
        (deliveries) => got.push(...deliveries),
        (error: unknown) => assert.equal(error, scope.signal.reason),
      );
      const enqueued = b.enqueue([task(`t${i}`)]);
      for (let turn = 0; turn < i % 10; turn += 1) await checkpoint(stage.signal);
      scope.cancel("too late");
      await Promise.all([claimed, enqueued]);
    }
    const rest = await claimAll(b, 30 - got.length, stage.signal);
    assert.equal(new Set([...got, ...rest].map(idOf)).size, 30);
    assert.deepEqual(
      await a.complete(got.map((delivery) => done(delivery))),
      got.map(() => "recorded"),
    );
    assert.deepEqual(
      await b.complete(rest.map((delivery) => done(delivery))),
      rest.map(() => "recorded"),
    );
    await eventually(15_000, async () => (await b.backlog()).pending === 0);
  });

  sentence("eight executors that claim at once get each of 2 000 tasks exactly once", async (stage) => {
    const brokers = await Promise.all(Array.from({ length: 8 }, (_, index) => stage.open(`executor-${index}`)));
    const [first] = brokers;
    assert.ok(first);
    await first.enqueue(tasks(1000, "a"));
    await first.enqueue(tasks(1000, "b"));
    const seen: string[] = [];
    await Promise.all(
      brokers.map(async (broker) => {
        while (seen.length < 2000) {
          const scope = openRoot({ signal: stage.signal });
          scope.deadline = performance.now() + 200;
          const deliveries = await broker.claim(20, scope.signal).catch((error: unknown) => {
            assert.equal(error, scope.signal.reason);
            return [];
          });
          seen.push(...deliveries.map(idOf));
          const results = await broker.complete(deliveries.map((delivery) => done(delivery, { retentionMs: 0 })));
          assert.ok(results.every((result) => result === "recorded"));
        }
      }),
    );
    assert.equal(seen.length, 2000);
    assert.equal(new Set(seen).size, 2000);
    assert.deepEqual(await first.backlog(), { pending: 0, lag: 0 });
  });
}
