/**
 * An executor in this process over the broker in memory: what it does rests on the contract alone, not on what Redis or
 * a file has beside it.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import { createBroker, registerDriver } from "../../src/broker/drivers.ts";
import { memoryDriver } from "../../src/broker/memory/driver.ts";
import { forgetStore } from "../../src/broker/memory/store/store.ts";
import { openRoot, sleepForever } from "../../src/concurrency/index.ts";
import { Executor } from "../../src/executor/executor.ts";
import { defineTask } from "../../src/handlers/define-task.ts";
import { HandlerRegistry } from "../../src/handlers/registry.ts";
import type { TaskRecord } from "../../src/task/record/record.ts";
import { hasEnded } from "../../src/task/state.ts";
import { requestOf } from "../stage/outcomes.ts";
import { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const NAME = "executor";
const SOON_MS = 20_000;

let stage: Stage;
let client: Broker;
let executor: Executor;
let ran: Promise<void>;

before(async () => {
  const forget = registerDriver(memoryDriver);
  stage = Stage.make();
  stage.atEnd(async () => {
    forgetStore(NAME);
    forget();
  });
  client = await stage.client(`memory:${NAME}`);
  const broker = await createBroker(`memory:${NAME}`, { executor: "one", queues: ["common"], leaseMs: 5_000 });
  const handlers = new HandlerRegistry();
  for (const definition of DEFINITIONS) handlers.add(definition, "this test");
  const options = { name: "one", version: "0", concurrency: 4, graceMs: 1_000, heartbeatMs: 50 };
  executor = new Executor({ broker, handlers, options });
  ran = executor.run(openRoot());
});
after(async () => {
  executor.drain("the test is over");
  await ran;
  assert.deepEqual(await client.fleet(), [], "it has left the fleet");
  await stage.end();
});

test("a task is done, with its result, its progress and its log", async () => {
  const { state, result, executor: by, progress_msg } = await endOf("doubles", 21);
  assert.deepEqual([state, result, by], ["done", 42, "one"]);
  assert.match(progress_msg, /half of it/);
  assert.deepEqual(
    (await client.logs("doubles")).map(({ text }) => text),
    ["it doubles"],
  );
});

test("a task that fails is tried again, and is dead after its last attempt", async () => {
  const once = await endOf("fails once", null);
  assert.deepEqual([once.state, once.attempt, once.errors.map(({ message }) => message)], ["done", 2, ["not yet"]]);
  const always = await endOf("always fails", null);
  assert.deepEqual([always.state, always.attempt, always.errors.length], ["dead", 2, 2]);
});

test("a cancel ends a task that runs, and one that waits", async () => {
  const later = { ...requestOf("later", "waits", null), delayMs: 3_600_000 };
  await client.enqueue([requestOf("waits", "waits", null), later]);
  await until("it runs", SOON_MS, async () => (await client.record("waits"))?.state === "running");
  assert.deepEqual(await client.cancel(["waits", "later"]), [
    { id: "waits", state: "running" },
    { id: "later", state: "scheduled" },
  ]);
  assert.equal((await ended("waits")).state, "cancelled");
  assert.equal((await ended("later")).state, "cancelled");
});

test("many tasks are each done once", async () => {
  const requests = Array.from({ length: 1_000 }, (_, index) => requestOf(`many${index}`, "doubles", index));
  await client.enqueue(requests);
  await until("all are done", SOON_MS, async () => {
    const states = await client.states(requests.map(({ id }) => id));
    return states.every((state) => state === "done");
  });
  const records = await Promise.all(requests.map(({ id }) => client.record(id)));
  assert.ok(records.every((record, index) => record?.completions === 1 && record.result === index * 2));
});

const TWICE = { attempts: 2, backoff: { kind: "fixed", delay_ms: 1 } } as const;

const DEFINITIONS = [
  defineTask({
    type: "doubles",
    async run({ payload, progress, log }) {
      await progress(0.5, "half of it");
      log.info("it doubles");
      return Number(payload) * 2;
    },
  }),
  defineTask({
    type: "fails once",
    ...TWICE,
    run({ attempt }) {
      if (attempt === 1) throw new Error("not yet");
    },
  }),
  defineTask({
    type: "always fails",
    ...TWICE,
    run() {
      throw new Error("no");
    },
  }),
  defineTask({ type: "waits", run: ({ signal }) => sleepForever(signal) }),
];

async function endOf(type: string, payload: unknown): Promise<TaskRecord> {
  await client.enqueue([requestOf(type, type, payload)]);
  return ended(type);
}

function ended(id: string): Promise<TaskRecord> {
  return until(`${id} has ended`, SOON_MS, async () => {
    const record = await client.record(id);
    return record !== null && hasEnded(record.state) && record;
  });
}
