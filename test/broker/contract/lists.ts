/** Lists of tasks: by state, queue and type, page by page. */
import assert from "node:assert/strict";
import type { Broker } from "../../../src/broker/broker.ts";
import type { ListQuery } from "../../../src/broker/contract/admin.ts";
import { writeCursor } from "../../../src/broker/list-cursor.ts";
import { type ListedTask, listedOf } from "../../../src/task/record/listed-task.ts";
import { TASK_STATES } from "../../../src/task/state.ts";
import { cancelledBy, claimAll, claimOne, dead, done, QUEUE, retry, task, tasks } from "../../stage/outcomes.ts";
import { countOf, type Sentence, type SentenceStage } from "../../stage/sentences.ts";

/** Follows the cursor to the end. */
async function listAll(broker: Broker, query: Omit<ListQuery, "limit">, limit = 100): Promise<ListedTask[]> {
  const all: ListedTask[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < 200; page += 1) {
    const { tasks: some, cursor: next } = await broker.list({ ...query, limit, ...(cursor && { cursor }) });
    assert.ok(some.length <= limit, `asked for ${limit}, got ${some.length}`);
    all.push(...some);
    if (next === null) return all;
    cursor = next;
  }
  assert.fail("the list never ends");
}

const idsOf = (records: readonly ListedTask[]): string[] => records.map(({ id }) => id);

/** One task in each state, with the state as its id. */
async function oneOfEach(stage: SentenceStage, broker: Broker): Promise<void> {
  const next = async (id: string) => {
    await broker.enqueue([task(id)]);
    return claimOne(broker, stage.signal);
  };
  await broker.complete([done(await next("done"))]);
  await broker.complete([dead(await next("dead"))]);
  await broker.complete([cancelledBy(await next("cancelled"))]);
  await broker.complete([retry(await next("retrying"), { delayMs: 60_000 })]);
  await next("running");
  await broker.enqueue([task("queued"), task("scheduled", { delayMs: 60_000 })]);
}

export function listSentences(sentence: Sentence): void {
  sentence("a queue that the broker was not opened with is listed by its name", async (stage) => {
    const broker = await stage.open("a");
    const urgent = { queue: "other", priority: 1 };
    await broker.enqueue([
      task("one", { queue: "other" }),
      task("two", urgent),
      task("three", { ...urgent, delayMs: 9e6 }),
    ]);
    assert.deepEqual(idsOf(await listAll(broker, { queue: "other" })).sort(), ["one", "three", "two"]);
    assert.deepEqual(idsOf(await listAll(broker, { queue: "other", state: "queued" })).sort(), ["one", "two"]);
    assert.deepEqual(await listAll(broker, {}), []);
  });

  sentence("a cursor that no list has given is refused", async (stage) => {
    const broker = await stage.open("a");
    for (const cursor of [
      "x",
      "0:99999999999999999999",
      "0:1-99999999999999999999",
      "-1:0",
      writeCursor(0, "x"),
      writeCursor(0, "1-2-3"),
    ]) {
      await assert.rejects(broker.list({ limit: 1, cursor }), RangeError, cursor);
    }
    await broker.enqueue([task("one", { delayMs: 60_000 })]);
    await assert.rejects(broker.list({ limit: 1, state: "scheduled", cursor: writeCursor(0, "1-2") }), RangeError);
  });

  sentence("a list by state gives the tasks of that state, as their records tell them", async (stage) => {
    const broker = await stage.open("a");
    await oneOfEach(stage, broker);
    for (const state of TASK_STATES) {
      const listed = await listAll(broker, { state });
      assert.deepEqual(idsOf(listed), [state]);
      const record = await broker.record(state);
      assert.deepEqual(listed[0], record && listedOf(record));
    }
    assert.deepEqual(idsOf(await listAll(broker, {})).sort(), [...TASK_STATES].sort());
  });

  sentence("a list by page gives each task once, oldest first within its state", async (stage) => {
    const [broker, client] = [await stage.open("a"), await stage.open(null)];
    const ids = tasks(25).map(({ id }) => id);
    await broker.enqueue(tasks(25));
    for (const limit of [1, 7, 25, 1000]) {
      assert.deepEqual(idsOf(await listAll(client, { state: "queued" }, limit)), ids, `pages of ${limit}`);
    }
    const claimed = await claimAll(broker, 25, stage.signal);
    for (const limit of [7, 25]) {
      assert.deepEqual(idsOf(await listAll(client, { state: "running" }, limit)), ids, `pages of ${limit}`);
    }
    await broker.complete(claimed.slice(0, 20).map((delivery) => dead(delivery)));
    assert.deepEqual(idsOf(await listAll(client, { state: "dead" }, 7)).sort(), ids.slice(0, 20).sort());
    assert.deepEqual(idsOf(await listAll(client, {}, 7)).sort(), [...ids].sort());
  });

  sentence("a list is of one queue, of one type, or of both", async (stage) => {
    const broker = await stage.open("a", { queues: [QUEUE, "other"] });
    const requests = ["x", "y"].flatMap((type) =>
      [QUEUE, "other"].map((queue) => task(`${type} in ${queue}`, { type, queue })),
    );
    await broker.enqueue(requests);
    const late = requests.map(({ id, type, queue }) => task(`${id}, late`, { type, queue, delayMs: 60_000 }));
    await broker.enqueue(late);
    for (const state of ["queued", "scheduled"] as const) {
      const end = state === "queued" ? "" : ", late";
      const ids = async (query: Omit<ListQuery, "limit">) =>
        idsOf(await listAll(broker, { ...query, state }, 1)).sort();
      assert.deepEqual(await ids({ queue: "other" }), [`x in other${end}`, `y in other${end}`]);
      assert.deepEqual(await ids({ type: "x" }), [`x in other${end}`, `x in te${end}`]);
      assert.deepEqual(await ids({ type: "y", queue: QUEUE }), [`y in te${end}`]);
      assert.deepEqual(await ids({ type: "z" }), []);
    }
    assert.equal((await listAll(broker, { type: "x" })).length, 4);
  });

  sentence("one of a rare type is found behind thousands of another, and is purged there", async (stage) => {
    const broker = await stage.open("a", { deadRetentionMs: 60_000 });
    for (let batch = 0; batch < 6; batch += 1) await broker.enqueue(tasks(1000, `${batch}-`));
    await broker.enqueue([task("rare", { type: "rare" })]);
    assert.deepEqual(idsOf(await listAll(broker, { state: "queued", type: "rare" }, 1000)), ["rare"]);
    const claimed = await claimAll(broker, 6001, stage.signal);
    await broker.complete(claimed.map((delivery) => cancelledBy(delivery)));
    assert.deepEqual(idsOf(await listAll(broker, { state: "cancelled", type: "rare" }, 1000)), ["rare"]);
    assert.equal(await broker.purge({ state: "cancelled", type: "rare" }, 10), 1);
    assert.equal(await broker.purge({ state: "cancelled", type: "rare" }, 10), 0);
    assert.equal((await countOf(broker)).cancelled, 6000);
  });

  sentence("a task that is cancelled while it waits is listed once, as cancelled", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one"), task("two", { delayMs: 60_000 })]);
    await broker.cancel(["one", "two"]);
    assert.deepEqual(idsOf(await listAll(broker, {})).sort(), ["one", "two"]);
    assert.deepEqual(idsOf(await listAll(broker, { state: "cancelled" })).sort(), ["one", "two"]);
    assert.deepEqual(await listAll(broker, { state: "queued" }), []);
  });

  sentence("a list refuses a limit out of its range, and a cursor that no list gave", async (stage) => {
    const broker = await stage.open("a");
    for (const limit of [0, 1001, 1.5, Number.NaN]) {
      await assert.rejects(async () => broker.list({ limit }), RangeError, String(limit));
    }
    for (const cursor of ["", "nonsense", "0:DROP TABLE", "1"]) {
      await assert.rejects(async () => broker.list({ limit: 10, cursor }), RangeError, cursor);
    }
    assert.deepEqual(await broker.list({ limit: 10 }), { tasks: [], cursor: null });
  });
}
