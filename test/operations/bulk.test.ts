/** Changes to whatever matches a filter, over brokers that go on while they are made. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cancelMatching, purgeMatching, retryMatching } from "../../src/operations/changes/bulk.ts";
import type { ListedTask } from "../../src/task/record/listed-task.ts";
import type { TaskState } from "../../src/task/state.ts";

async function total(steps: AsyncIterable<number>): Promise<number> {
  let sum = 0;
  for await (const step of steps) sum += step;
  return sum;
}

const recordOf = (id: string, finishedAt: number | null) => ({ id, finished_at: finishedAt }) as ListedTask;

test("a retry takes each dead task once, though it dies again before the list is gone through", async () => {
  let now = 1_000;
  // By the clock of another executor the last of them died a little later than now.
  const died = new Map(Array.from({ length: 50 }, (_, index) => [`t${index}`, 960 + index]));
  const retried: string[] = [];
  const broker = {
    now: () => now,
    list: async () => ({ tasks: [...died].map(([id, at]) => recordOf(id, at)), cursor: null }),
    async retry(ids: readonly string[]) {
      now += 100;
      retried.push(...ids);
      for (const id of ids) died.set(id, now);
      return ids.map((id) => ({ id, state: "dead" as const, retried: true }));
    },
  };
  assert.equal(await total(retryMatching(broker, { state: "dead", type: "x" })), 50);
  assert.equal(retried.length, 50);
});

test("a purge ends though records come to be as fast as they are removed", async () => {
  const left = [1_000, 1_000, 300, 300, 300];
  const broker = { purge: async () => left.shift() ?? 300 };
  assert.equal(await total(purgeMatching(broker, { state: "done" })), 2_300);
});

test("tasks without a record are told once, though they stay in line until they are claimed", async () => {
  const asked: number[] = [];
  const broker = {
    list: async ({ state }: { state?: TaskState }) => ({
      tasks: state === "queued" ? [recordOf("a", null), recordOf("b", null)] : [],
      cursor: null,
    }),
    async cancel(ids: readonly string[]) {
      asked.push(ids.length);
      return ids.map((id) => ({ id, state: null }));
    },
  };
  assert.equal(await total(cancelMatching(broker, { type: "x" })), 2);
  assert.deepEqual(asked, [2]);
});

test("the next page is asked for while one is changed, and what was changed is told though that fails", async () => {
  const order: string[] = [];
  const broker = {
    now: () => 0,
    async list({ cursor }: { cursor?: string }) {
      order.push(`list ${cursor ?? "first"}`);
      if (cursor === "third") throw new Error("away");
      return { tasks: [recordOf(`of ${cursor ?? "first"}`, null)], cursor: cursor === undefined ? "second" : "third" };
    },
    async retry(ids: readonly string[]) {
      order.push(`retry ${ids}`);
      return ids.map((id) => ({ id, state: "dead" as const, retried: true }));
    },
  };
  let sum = 0;
  await assert.rejects(async () => {
    for await (const step of retryMatching(broker, { state: "dead" })) sum += step;
  }, /away/);
  assert.deepEqual(order, ["list first", "retry of first", "list second", "retry of second", "list third"]);
  assert.equal(sum, 2);
});
