/**
 * Executors that die over tasks. Nobody is charged for that; a task over which two have died is a suspect. What runs in
 * the executor's own process then runs beside fewer, until it is alone: whoever dies over it there convicts it. The
 * deaths are played: an executor of the test claims a task under a lease of a millisecond and does no more.
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import { createBroker, registerDriver } from "../../../src/broker/drivers.ts";
import { memoryDriver } from "../../../src/broker/memory/driver.ts";
import { forgetStore } from "../../../src/broker/memory/store/store.ts";
import { Latch, openRoot } from "../../../src/concurrency/index.ts";
import { aloneNote } from "../../../src/executor/attempt/alone.ts";
import { Executor } from "../../../src/executor/executor.ts";
import type { Handler, HandlerAttempt, HandlerEnding } from "../../../src/handlers/handler.ts";
import type { TaskOptions } from "../../../src/task/message/message-schema.ts";
import type { TaskRecord } from "../../../src/task/record/record.ts";
import { hasEnded } from "../../../src/task/state.ts";
import { claimAll, requestOf } from "../../stage/outcomes.ts";
import { reclaimAll } from "../../stage/sentences.ts";
import { Stage } from "../../stage/stage.ts";
import { until } from "../../stage/until.ts";

const SOON_MS = 20_000;
const SLOTS = 40;

/** What a handler was told of its attempt. */
type Seen = Pick<HandlerAttempt, "id" | "crashes" | "attempt"> & { readonly company: number | null };

let stage: Stage;
let forget: () => void;
let client: Broker;
let url: string;
let stores = 0;
let seen: Seen[];
let gates: Map<string, Latch>;
/** How many run at once, and the most of them. */
let running: number;
let most: Map<string, number>;

before(() => {
  forget = registerDriver(memoryDriver);
});
after(() => forget());
beforeEach(async () => {
  stage = Stage.make();
  url = `memory:suspects-${stores++}`;
  client = await stage.client(url);
  stage.atEnd(async () => forgetStore(url.slice("memory:".length)));
  [seen, gates, running, most] = [[], new Map(), 0, new Map()];
});

test("one death makes nobody a suspect, whatever the crash budget", async () => {
  await enqueue("one", { crash_budget: 0 });
  await die(1);
  await withExecutor({}, async () => assert.equal((await ended("one")).state, "done"));
  assert.deepEqual(seen, [{ id: "one", crashes: 0, attempt: 1, company: null }]);
});

test("after two deaths it runs in a quarter of the slots, after the next in a quarter of those", async () => {
  await enqueue("one", { crash_budget: 0 });
  await die(2);
  await withExecutor({}, async () => {
    const { state, crashes, errors } = await ended("one");
    assert.deepEqual([state, crashes], ["done", 0]);
    assert.deepEqual(
      errors.map(({ message }) => message),
      ["2 executors died or stalled over it"],
    );
  });
  assert.deepEqual(seen, [{ id: "one", crashes: 0, attempt: 1, company: SLOTS / 4 }]);
  await enqueue("two", { crash_budget: 0, company: SLOTS / 4, deaths: 2 });
  await die(1);
  await withExecutor({}, async () => assert.equal((await ended("two")).crashes, 0));
  assert.deepEqual(seen[1], { id: "two", crashes: 0, attempt: 1, company: 2 });
});

test("an inline one that was to run alone is charged, and dead once that is too often", async () => {
  await enqueue("forgiven", { company: 0, deaths: 3, failures: 2 });
  await enqueue("convicted", { company: 0, deaths: 3, failures: 2, crash_budget: 0 });
  await enqueue("held", { company: 0, deaths: 3, failures: 2, crash_budget: 0 });
  await die(1, 3);
  // They have begun; the third was claimed with them, and its turn did not come.
  for (const id of ["forgiven", "convicted", "held"]) {
    const line = { at: client.now(), level: "warn", text: aloneNote(id === "held" ? 1 : 2) } as const;
    await client.appendLogs([{ id, queue: "common", lines: [line] }]);
  }
  await withExecutor({}, async () => {
    assert.deepEqual([(await ended("forgiven")).state, (await ended("forgiven")).crashes], ["done", 1]);
    assert.equal((await ended("held")).state, "done");
    const { state, reason, crashes } = await ended("convicted");
    assert.deepEqual([state, crashes], ["dead", 1]);
    assert.equal(
      reason,
      "quarantined: its process died once while it ran alone (crash budget 0): its executor died or stalled",
    );
  });
  assert.deepEqual(seen.map(({ id, crashes }) => `${id} ${crashes}`).toSorted(), ["forgiven 1", "held 0"]);
  assert.equal((await client.record("held"))?.crashes, 0);
  const notes = (await client.logs("held")).map(({ text }) => text);
  assert.deepEqual(notes, [aloneNote(1), aloneNote(2)], "it says when it runs alone");
});

test("one that runs elsewhere is never charged for an executor's death, but by the backstop", async () => {
  await enqueue("elsewhere", { company: 0, deaths: 3, crash_budget: 0 });
  await enqueue("too often", { company: 0, deaths: 12 });
  await die(1, 2);
  await withExecutor({ isInline: false }, async () => {
    assert.deepEqual([(await ended("elsewhere")).state, (await ended("elsewhere")).crashes], ["done", 0]);
    const { state, reason, crashes } = await ended("too often");
    assert.deepEqual([state, crashes], ["dead", 0]);
    assert.match(reason ?? "", /^quarantined: processes died 13 times over it, 0 times while it ran alone/);
  });
});

test("a suspect that must be alone is begun alone, and nothing is begun or held beside it", async () => {
  await withExecutor({}, async (executor) => {
    gates.set("suspect", new Latch());
    gates.set("before", new Latch());
    await enqueue("before");
    await until("a neighbour runs", SOON_MS, () => running === 1);
    await enqueue("suspect", { company: 0, deaths: 3 });
    await until("the suspect waits for it", SOON_MS, () => executor.status().slots_taken === 2);
    for (let index = 0; index < 60; index++) await enqueue(`behind-${index}`);
    gates.get("before")?.set();
    await until("the suspect runs", SOON_MS, () => seen.some(({ id }) => id === "suspect"));
    const { pending, lag } = await client.backlog();
    assert.deepEqual([pending, lag, running], [1, 60, 1]);
    gates.get("suspect")?.set();
    await until("all are done", SOON_MS, () => most.size === 62 && running === 0);
    assert.equal(most.get("suspect"), 1);
    assert.ok(Math.max(...most.values()) > 1, "the others ran side by side");
  });
});

test("many suspects end, each beside no more than it may be, and none is held that cannot begin", async () => {
  const ids = Array.from({ length: 30 }, (_, index) => `suspect-${index}`);
  for (const [index, id] of ids.entries()) await enqueue(id, { company: index % 3, deaths: 2, crash_budget: 0 });
  for (let index = 0; index < 50; index++) await enqueue(`other-${index}`);
  await withExecutor({}, async () => {
    for (const id of ids) {
      const { state, crashes, attempt } = await ended(id);
      assert.deepEqual([state, crashes, attempt], ["done", 0, 1], id);
    }
    await until("all others are done", SOON_MS, () => most.size === 80 && running === 0);
    for (const [index, id] of ids.entries())
      assert.ok((most.get(id) ?? 0) <= (index % 3) + 1, `${id}: ${most.get(id)}`);
  });
});

test("a suspect that waits is cancelled at once, and handed back at a drain", async () => {
  gates.set("before", new Latch());
  const waits = async (executor: Executor, id: string): Promise<void> => {
    await enqueue("before");
    await until("a neighbour runs", SOON_MS, () => running === 1);
    await enqueue(id, { company: 0, deaths: 3 });
    await until("it waits", SOON_MS, () => executor.status().slots_taken === 2);
  };
  await withExecutor({ graceMs: 50 }, async (executor) => {
    await waits(executor, "cancelled");
    await client.cancel(["cancelled"]);
    assert.equal((await ended("cancelled")).state, "cancelled");
    gates.get("before")?.set();
    await ended("before");
    gates.set("again", new Latch());
    await enqueue("again");
    await until("a neighbour runs again", SOON_MS, () => running === 1);
    await enqueue("drained", { company: 0, deaths: 3 });
    await until("it waits", SOON_MS, () => executor.status().slots_taken === 2);
  });
  const record = await client.record("drained");
  assert.deepEqual([record?.state, record?.crashes], ["queued", 0]);
  assert.deepEqual(seen.map(({ id }) => id).toSorted(), ["again", "before"]);
});

/** A handler that notes what it is told, and waits for the gate of its task, where there is one. */
function handlerOf(isInline: boolean): Handler {
  return {
    ...{ type: "seen", options: {}, isInline, checkPayload: null, delayAfter: () => null },
    async start({ id, crashes, attempt, suspect }, scope): Promise<HandlerEnding> {
      seen.push({ id, crashes, attempt, company: suspect?.company ?? null });
      running++;
      try {
        most.set(id, running);
        await (gates.get(id)?.wait(scope.signal) ?? Promise.resolve());
        return { kind: "done", result: null, omitted: null };
      } finally {
        running--;
      }
    },
  };
}

async function withExecutor(
  { isInline = true, graceMs = 1_000 }: { readonly isInline?: boolean; readonly graceMs?: number },
  body: (executor: Executor) => Promise<void>,
): Promise<void> {
  const handler = handlerOf(isInline);
  const handlers = { get: () => handler, types: () => ["seen"] };
  const broker = await createBroker(url, { executor: "one", queues: ["common"], leaseMs: 5_000 });
  const options = { name: "one", version: "0", concurrency: SLOTS, graceMs };
  const executor = new Executor({ broker, handlers, options });
  const ran = executor.run(openRoot());
  try {
    await body(executor);
  } finally {
    executor.drain("the test is over");
    await ran;
  }
}

/** So many executors die over all that is queued, one after the other. */
async function die(deaths: number, count = 1): Promise<void> {
  for (let death = 0; death < deaths; death++) {
    const broker = await createBroker(url, { executor: `dying-${death}`, queues: ["common"], leaseMs: 1 });
    await broker.open(openRoot().signal);
    const taken = death === 0 ? await claimAll(broker, count) : await reclaimAll(broker, count);
    assert.equal(taken.length, count);
    await broker.close();
  }
}

async function enqueue(id: string, options: TaskOptions = {}): Promise<void> {
  const request = requestOf(id, "seen", null);
  await client.enqueue([{ ...request, message: JSON.stringify({ ...JSON.parse(request.message), taskexe: options }) }]);
}

function ended(id: string): Promise<TaskRecord> {
  return until(`${id} has ended`, SOON_MS, async () => {
    const record = await client.record(id);
    return record !== null && hasEnded(record.state) && record;
  });
}
