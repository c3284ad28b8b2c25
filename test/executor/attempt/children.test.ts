/** What a handler enqueues: tasks like any other, with its own as their parent, and nothing once it has ended. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as v from "valibot";
import type { Broker } from "../../../src/broker/broker.ts";
import { createBroker } from "../../../src/broker/drivers.ts";
import { openRoot } from "../../../src/concurrency/index.ts";
import { Executor } from "../../../src/executor/executor.ts";
import { defineTask, type TaskContext, type TaskDefinition } from "../../../src/handlers/define-task.ts";
import { HandlerRegistry } from "../../../src/handlers/registry.ts";
import { taskView } from "../../../src/operations/views/task-view.ts";
import { hasEnded } from "../../../src/task/state.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const SOON_MS = 20_000;

const resize = defineTask({
  type: "resize",
  payload: v.object({ width: v.number() }),
  priority: 1,
  delayMs: 3_600_000,
  retentionMs: 5_000_000,
  deadlineMs: 7_200_000,
  unique: {},
  run: () => {},
});

let leftOver: TaskContext["enqueue"] | null = null;

const DEFINITIONS: readonly TaskDefinition[] = [
  defineTask({ type: "child", run: ({ payload }) => payload }),
  defineTask({
    type: "one",
    run: ({ enqueue }) => enqueue("child", { n: 1 }, { id: "its-child", retentionMs: 60_000 }),
  }),
  defineTask({ type: "by definition", run: ({ enqueue }) => enqueue(resize, { width: 3 }, { id: "resized" }) }),
  defineTask({
    type: "again",
    run: async ({ enqueue }) => [
      await enqueue("child", 1, { delayMs: 3_600_000, unique: { key: "k" } }),
      await enqueue("child", 2, { unique: { key: "k" } }),
    ],
  }),
  defineTask({ type: "wrong payload", run: ({ enqueue }) => enqueue(resize, { width: "3" } as never) }),
  defineTask({ type: "wrong option", run: ({ enqueue }) => enqueue("child", 1, { quue: "x" } as never) }),
  defineTask({ type: "wrong priority", run: ({ enqueue }) => enqueue("child", 1, { priority: 7 }) }),
  defineTask({
    type: "leaves it",
    run({ enqueue }) {
      leftOver = enqueue;
    },
  }),
] as unknown as readonly TaskDefinition[];

let stage: Stage;
let client: Broker;
let executor: Executor;
let ran: Promise<void>;

before(async () => {
  stage = Stage.make();
  const url = `sqlite:${join(stage.folder, "queue.db")}`;
  client = await stage.client(url);
  const broker = await createBroker(url, { executor: "one", queues: ["common"], leaseMs: 5_000 });
  const handlers = new HandlerRegistry();
  for (const definition of DEFINITIONS) handlers.add(definition, "the test");
  const options = { name: "one", version: "0", concurrency: 4, graceMs: 1_000, attempts: 1 };
  executor = new Executor({ broker, handlers, options });
  ran = executor.run(openRoot());
});
after(async () => {
  executor.drain("the test is over");
  await ran;
  await stage.end();
});

async function endOf(type: string) {
  await client.enqueue([requestOf(type, type, null)]);
  return ended(type);
}

async function ended(id: string) {
  return until(`${id} has ended`, SOON_MS, async () => {
    const record = await client.record(id);
    return record !== null && hasEnded(record.state) && record;
  });
}

test("a handler's task is run, and tells whose handler enqueued it", async () => {
  const { state, result } = await endOf("one");
  assert.deepEqual([state, result], ["done", { id: "its-child", created: true, state: "queued" }]);
  const child = await ended("its-child");
  assert.deepEqual([child.state, child.result], ["done", { n: 1 }]);
  assert.deepEqual([taskView(child).parent, taskView(await ended("one")).parent], ["one", null]);
});

test("what its definition says holds where the handler says nothing", async () => {
  assert.equal((await endOf("by definition")).state, "done");
  const record = await client.record("resized");
  assert.deepEqual([record?.state, record?.priority], ["scheduled", 1]);
  const options = JSON.parse(record?.message ?? "{}").taskexe;
  assert.deepEqual([options.retention_ms, options.parent], [5_000_000, "by definition"]);
  const enqueuedAt = record?.enqueued_at ?? 0;
  assert.ok(options.deadline_at > enqueuedAt && options.deadline_at <= enqueuedAt + 7_200_000);
  assert.match(options.unique_key, /^resize:[0-9a-f]{64}$/);
});

test("a key that another task holds gives that task", async () => {
  const { result } = await endOf("again");
  const [first, second] = result as { id: string; created: boolean }[];
  assert.deepEqual([first?.created, second?.created, second?.id], [true, false, first?.id]);
});

for (const [type, name, reason] of [
  ["wrong payload", "InvalidTaskError", /the payload was refused by the schema of "resize": width: /],
  ["wrong option", "InvalidTaskError", /quue: is not known/],
  ["wrong priority", "InvalidTaskError", /priority: must be 0 to 1, got 7/],
] as const) {
  test(`a ${type} is refused where it is enqueued`, async () => {
    const { state, error } = await endOf(type);
    assert.deepEqual([state, error?.name], ["dead", name]);
    assert.match(error?.message ?? "", reason);
  });
}

test("after its end an attempt enqueues nothing", async () => {
  await endOf("leaves it");
  await assert.rejects(async () => leftOver?.("child", 1), { name: "RefusedEnqueueError", message: /has ended/ });
});
