/**
 * What order and hand-backs mean in Redis itself: the group's figures, consumers that are none of ours, lost scripts.
 */
import assert from "node:assert/strict";
import { readGroup, readStreams } from "../../src/broker/redis/connection/replies.ts";
import { GROUP, streamKey } from "../../src/broker/redis/keys.ts";
import { claimAll, claimOne, done, idOf, QUEUE, task, tasks } from "../stage/outcomes.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis } = redisSentences();
const STREAM = streamKey(QUEUE, 0);
const URGENT = streamKey(QUEUE, 1);

/** Reads new entries as RagFlow's executor does; gives their entry ids and the ids of their tasks. */
async function foreignRead(count: number): Promise<{ readonly entry: string; readonly id: string }[]> {
  const reply = await redis().xreadgroup("GROUP", GROUP, "foreign", "COUNT", count, "STREAMS", STREAM, ">");
  return readStreams(reply).flatMap(([, entries]) =>
    entries.map(([entry, fields]) => {
      assert.ok(Array.isArray(fields));
      const message: { readonly id?: unknown } = JSON.parse(String(fields[1]));
      return { entry, id: String(message.id) };
    }),
  );
}

async function lagAndPending(): Promise<unknown> {
  return readGroup(await redis().xinfo("GROUPS", STREAM), GROUP);
}

sentence("a hand-back leaves the group's lag and pending right", async (stage) => {
  const a = await stage.open("a");
  await a.enqueue(tasks(6));
  const [first, ...rest] = await claimAll(a, 3, stage.signal);
  assert.ok(first);
  await a.complete([done(first)]);
  await a.release(rest);
  assert.deepEqual(await lagAndPending(), { pending: 0, lag: 5 });
  await a.release(await claimAll(a, 5, stage.signal));
  assert.deepEqual(await lagAndPending(), { pending: 0, lag: 5 });
});

sentence("a consumer that is none of ours reads what was handed back, in its place", async (stage) => {
  const a = await stage.open("a");
  await a.enqueue(tasks(4));
  await a.release(await claimAll(a, 2, stage.signal));
  assert.deepEqual(
    (await foreignRead(10)).map(({ id }) => id),
    ["t0", "t1", "t2", "t3"],
  );
});

sentence(
  "a hand-back delivers nothing anew that another consumer has acknowledged and left in the stream",
  async (stage) => {
    const a = await stage.open("a");
    await a.enqueue(tasks(4));
    const own = await claimOne(a, stage.signal);
    const [foreign] = await foreignRead(1);
    assert.equal(foreign?.id, "t1");
    await redis().xack(STREAM, GROUP, foreign.entry);
    await a.release([own]);
    assert.deepEqual(
      (await foreignRead(10)).map(({ id }) => id),
      ["t2", "t3", "t0"],
    );
  },
);

sentence("urgent tasks come first after Redis has lost its scripts", async (stage) => {
  const a = await stage.open("a");
  await a.enqueue([...tasks(6), ...tasks(6, "u").map((each) => ({ ...each, priority: 1 }))]);
  const order: string[] = [];
  for (let i = 0; i < 12; i += 1) {
    await redis().script("FLUSH");
    order.push(idOf(await claimOne(a, stage.signal)));
  }
  assert.deepEqual(
    order,
    [...tasks(6, "u"), ...tasks(6)].map(({ id }) => id),
  );
});

sentence(
  "a waiting executor that finds its scripts lost still starts the most urgent of what wakes it",
  async (stage) => {
    const a = await stage.open("a", { priorities: 3 });
    await a.enqueue([task("first")]);
    await a.complete([done(await claimOne(a, stage.signal))]);
    for (let round = 0; round < 3; round += 1) {
      const waiting = claimOne(a, stage.signal);
      await redis().script("FLUSH");
      await a.enqueue([task(`o${round}`), task(`u${round}`, { priority: 1 })]);
      const urgent = await waiting;
      const ordinary = await claimOne(a, stage.signal);
      assert.deepEqual([urgent, ordinary].map(idOf), [`u${round}`, `o${round}`]);
      await a.complete([done(urgent), done(ordinary)]);
    }
  },
);

sentence("an urgent stream that was deleted is read again as soon as a task comes to it", async (stage) => {
  const a = await stage.open("a", { priorities: 3 });
  await a.enqueue([...tasks(50), task("u0", { priority: 1 })]);
  assert.equal(idOf(await claimOne(a, stage.signal)), "u0");
  assert.equal(idOf(await claimOne(a, stage.signal)), "t0");
  await redis().del(URGENT);
  assert.equal(idOf(await claimOne(a, stage.signal)), "t1");
  await a.enqueue([task("u1", { priority: 1 })]);
  assert.equal(idOf(await claimOne(a, stage.signal)), "u1");
});

sentence("what stands in the way of one stream is said, and costs the tasks of the others nothing", async (stage) => {
  const a = await stage.open("a");
  await a.enqueue(tasks(3));
  await redis().del(URGENT);
  await redis().set(URGENT, "not a stream");
  await assert.rejects(a.claim(1, stage.signal), /WRONGTYPE/);
  await redis().del(URGENT);
  assert.deepEqual((await claimAll(a, 3, stage.signal)).map(idOf), ["t0", "t1", "t2"]);
});
