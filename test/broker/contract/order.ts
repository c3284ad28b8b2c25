/** Urgent first, first in first out within a priority, and what was not started keeps its place. */
import assert from "node:assert/strict";
import type { Broker, Delivery } from "../../../src/broker/broker.ts";
import { checkpoint, openRoot, sleep } from "../../../src/concurrency/index.ts";
import { claimAll, claimOne, done, idOf, QUEUE, task, tasks } from "../../stage/outcomes.ts";
import { countOf, NOTHING, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

const QUEUES = [QUEUE, "second", "third"];

/** Claims what there is, `max` at a time, as one that ends each task before it claims again. */
async function drain(broker: Broker, max: number, count: number, signal: AbortSignal): Promise<string[]> {
  const order: string[] = [];
  while (order.length < count) {
    const some = await broker.claim(max, signal);
    assert.ok(some.length <= max, `asked for ${max}, got ${some.length}`);
    order.push(...some.map(idOf));
    await broker.complete(some.map((delivery) => done(delivery)));
  }
  return order;
}

function ids(deliveries: readonly Delivery[]): string[] {
  return deliveries.map(idOf);
}

export function orderSentences(sentence: Sentence): void {
  for (const max of [1, 3, 20]) {
    sentence(
      `claims of ${max} take all urgent tasks before the first ordinary one, each in its order`,
      async (stage) => {
        const broker = await stage.open("a");
        const mixed = Array.from({ length: 60 }, (_, index) => task(`${index}`, { priority: index % 2 }));
        await broker.enqueue(mixed);
        const expected = [...mixed].sort((a, b) => b.priority - a.priority).map(({ id }) => id);
        assert.deepEqual(await drain(broker, max, mixed.length, stage.signal), expected);
      },
    );
  }

  for (const max of [1, 4, 25]) {
    sentence(
      `with ten priorities and three queues, claims of ${max} go by priority and starve no queue`,
      async (stage) => {
        const broker = await stage.open("a", { queues: QUEUES, priorities: 10 });
        const mixed = Array.from({ length: 240 }, (_, index) => {
          const [priority, queue] = [(index * 7) % 10, QUEUES[index % 3] ?? QUEUE];
          return task(`${priority} ${queue} ${index}`, { priority, queue });
        });
        await broker.enqueue(mixed);
        const order = (await drain(broker, max, mixed.length, stage.signal)).map((id) => id.split(" "));
        const priorities = order.map(([priority]) => Number(priority));
        assert.deepEqual(
          priorities,
          [...priorities].sort((a, b) => b - a),
        );
        const lines = Map.groupBy(order, ([priority, queue]) => `${priority} ${queue}`);
        for (const [line, members] of lines) {
          const places = members.map(([, , index]) => Number(index));
          assert.deepEqual(
            places,
            [...places].sort((a, b) => a - b),
            line,
          );
        }
        assert.equal(lines.size, 30);
      },
    );
  }

  sentence("a full queue holds up no other one of the same priority", async (stage) => {
    const broker = await stage.open("a", { queues: QUEUES });
    await broker.enqueue(tasks(40).flatMap(({ id }) => QUEUES.map((queue) => task(`${queue}-${id}`, { queue }))));
    const first = await drain(broker, 10, 60, stage.signal);
    const seen = Map.groupBy(first, (id) => id.split("-")[0]);
    assert.deepEqual([...seen.keys()].sort(), [...QUEUES].sort());
  });

  sentence(
    "an urgent task that comes while ordinary ones are claimed is the next one, and costs no other its place",
    async (stage) => {
      const broker = await stage.open("a");
      await broker.enqueue(tasks(8));
      const order = await drain(broker, 1, 3, stage.signal);
      for (const urgent of ["u0", "u1", "u2"]) {
        await broker.enqueue([task(urgent, { priority: 1 })]);
        order.push(...(await drain(broker, 1, 1, stage.signal)));
      }
      order.push(...(await drain(broker, 1, 5, stage.signal)));
      assert.deepEqual(order, ["t0", "t1", "t2", "u0", "u1", "u2", "t3", "t4", "t5", "t6", "t7"]);
    },
  );

  for (const max of [2, 12]) {
    sentence(`urgent tasks among many ordinary ones come first for two that claim ${max} at a time`, async (stage) => {
      const both = [await stage.open("a"), await stage.open("b")];
      const [a, b] = both;
      assert.ok(a && b);
      await a.enqueue(tasks(300));
      const order: string[] = [];
      for (let round = 0; round < 6; round += 1) {
        for (const broker of both) {
          const some = await broker.claim(max, stage.signal);
          order.push(...ids(some));
        }
        const urgent = tasks(3, `u${round}-`).map((each) => ({ ...each, priority: 1 }));
        await a.enqueue(urgent);
        const next = await claimAll(round % 2 === 0 ? a : b, max, stage.signal);
        const wanted = urgent.map(({ id }) => id).slice(0, max);
        assert.deepEqual(ids(next).slice(0, wanted.length), wanted);
        order.push(...ids(next));
        if (max < urgent.length) order.push(...ids(await claimAll(b, 1, stage.signal)));
      }
      const ordinary = order.filter((id) => id.startsWith("t")).map((id) => Number(id.slice(1)));
      assert.deepEqual(
        ordinary,
        ordinary.map((_, index) => index),
      );
    });
  }

  sentence(
    "of a batch that wakes waiting executors the most urgent start, and the rest keep their places",
    async (stage) => {
      const [a, b, client] = [await stage.open("a"), await stage.open("b"), await stage.open(null)];
      for (let round = 0; round < 5; round += 1) {
        const batch = ["o0", "o1", "u0", "o2", "u1", "o3"].map((id) =>
          task(`${round}${id}`, { priority: id[0] === "u" ? 1 : 0 }),
        );
        const waiting = [a.claim(1, stage.signal), b.claim(1, stage.signal)];
        await sleep(30, stage.signal);
        await client.enqueue(batch);
        const woken = (await Promise.all(waiting)).flat();
        assert.deepEqual(ids(woken).sort(), [`${round}u0`, `${round}u1`]);
        const rest = await claimAll(a, 4, stage.signal);
        assert.deepEqual(
          ids(rest),
          [0, 1, 2, 3].map((index) => `${round}o${index}`),
        );
        const held = new Map([a, b].map((broker, index) => [broker, woken.slice(index, index + 1)]));
        await a.complete([...(held.get(a) ?? []), ...rest].map((delivery) => done(delivery)));
        await b.complete((held.get(b) ?? []).map((delivery) => done(delivery)));
        assert.equal((await countOf(a)).running, 0);
      }
    },
  );

  sentence("what is handed back unrun is the next one again", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    await a.enqueue(tasks(6));
    const claimed = await claimAll(a, 3, stage.signal);
    const [first, ...rest] = claimed;
    assert.ok(first);
    await a.complete([done(first)]);
    await a.release(rest.reverse());
    const { queued, running } = await countOf(a);
    assert.deepEqual({ queued, running }, { queued: 5, running: 0 });
    assert.equal((await a.record("t1"))?.state, "queued");
    const again = await claimAll(b, 5, stage.signal);
    assert.deepEqual(ids(again), ["t1", "t2", "t3", "t4", "t5"]);
    assert.deepEqual(
      again.map(({ deliveries }) => deliveries),
      [1, 1, 1, 1, 1],
    );
    assert.equal((await a.record("t1"))?.executor, "b");
    await b.complete(again.map((delivery) => done(delivery)));
    assert.deepEqual(await countOf(a), { ...NOTHING, done: 6 });
  });

  sentence("what is handed back with nothing behind it keeps its order, and wakes whoever waits", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    await a.enqueue(tasks(4));
    const claimed = await claimAll(a, 4, stage.signal);
    const waiting = b.claim(4, stage.signal);
    await sleep(30, stage.signal);
    await a.release(claimed.reverse());
    const woken = await waiting;
    const rest = woken.length < 4 ? await claimAll(b, 4 - woken.length, stage.signal) : [];
    assert.deepEqual(ids([...woken, ...rest]), ["t0", "t1", "t2", "t3"]);
  });

  sentence(
    "what is handed back between the tasks of another keeps its order, and none is delivered twice",
    async (stage) => {
      const [a, b] = [await stage.open("a"), await stage.open("b")];
      await a.enqueue(tasks(9));
      const byA: Delivery[] = [];
      const byB: Delivery[] = [];
      for (let i = 0; i < 3; i += 1) {
        byA.push(await claimOne(a, stage.signal));
        byB.push(await claimOne(b, stage.signal));
      }
      await a.release(byA.reverse());
      const again = ids(await claimAll(b, 6, stage.signal));
      assert.deepEqual(
        again.filter((id) => ["t0", "t2", "t4"].includes(id)),
        ["t0", "t2", "t4"],
      );
      assert.deepEqual(
        [...again, ...ids(byB)].sort(),
        tasks(9).map(({ id }) => id),
      );
    },
  );

  sentence("claims that are aborted as tasks come cost none of them its place", async (stage) => {
    const [a, b] = [await stage.open("a"), await stage.open("b")];
    for (let i = 0; i < 20; i += 1) {
      const scope = openRoot();
      const claimed = a.claim(2, scope.signal).then(
        (deliveries) => a.release(deliveries),
        (error: unknown) => assert.equal(error, scope.signal.reason),
      );
      const enqueued = b.enqueue(tasks(6, `${i}-`));
      for (let turn = 0; turn < i % 10; turn += 1) await checkpoint(stage.signal);
      scope.cancel("too late");
      await Promise.all([claimed, enqueued]);
      const all = await claimAll(b, 6, stage.signal);
      assert.deepEqual(
        ids(all),
        tasks(6, `${i}-`).map(({ id }) => id),
      );
      await b.complete(all.map((delivery) => done(delivery)));
    }
  });

  sentence("what waits in a queue that is paused as it comes keeps its order", async (stage) => {
    const both = { queues: [QUEUE, "other"] };
    const [a, client] = [await stage.open("a", both), await stage.open(null, both)];
    const scope = openRoot();
    const claiming = a.claim(3, scope.signal);
    await client.pause({ kind: "queue", name: QUEUE });
    await client.enqueue([...tasks(5), task("last", { queue: "other" })]);
    const got = await claiming;
    if (!ids(got).includes("last")) assert.deepEqual(ids(await claimAll(a, 1, stage.signal)), ["last"]);
    await eventually(15_000, async () => (await countOf(client)).queued === 5);
    await client.resume({ kind: "queue", name: QUEUE });
    assert.deepEqual(
      ids(await claimAll(a, 5, stage.signal)),
      tasks(5).map(({ id }) => id),
    );
  });
}
