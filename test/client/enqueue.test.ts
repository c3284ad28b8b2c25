import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { BrokerUnavailableError } from "../../src/broker/broker.ts";
import { connect } from "../../src/client/connect.ts";
import { ClientClosedError, ClientOverloadedError, PartlyEnqueuedError } from "../../src/client/errors.ts";
import { defineTask } from "../../src/index.ts";
import { InvalidTaskError } from "../../src/task/message/new-task.ts";
import { onBothBrokers, onRedis } from "../stage/broker.ts";
import { claimAll, done } from "../stage/outcomes.ts";
import { until } from "../stage/until.ts";

const greet = defineTask({
  type: "greet",
  payload: v.object({ name: v.string(), times: v.optional(v.pipe(v.string(), v.transform(Number))) }),
  run: ({ payload }) => payload.name,
});

onBothBrokers("a task arrives as it was enqueued, with its options", async ({ connect, executor }) => {
  const client = await connect();
  const receipt = await client.enqueue(greet, { name: "x", times: "3" }, { id: "one", attempts: 7, priority: 1 });
  assert.deepEqual(receipt, { id: "one", created: true, state: "queued" });
  const [delivery] = await claimAll(await executor(), 1);
  assert.deepEqual(JSON.parse(delivery?.raw ?? ""), {
    id: "one",
    task_type: "greet",
    payload: { name: "x", times: "3" },
    taskexe: { attempts: 7 },
  });
  assert.equal(delivery?.priority, 1);
  assert.equal((await client.task("one"))?.state, "running");
});

onBothBrokers("a payload that the schema refuses is not sent, and each wrong place is named", async ({ connect }) => {
  const client = await connect();
  const wrong = { name: 1, times: [] } as unknown as { name: string };
  await assert.rejects(client.enqueue(greet, wrong), (error) => {
    assert.ok(error instanceof InvalidTaskError);
    assert.match(error.message, /^the payload was refused by the schema of "greet": name: .*; times: /);
    return true;
  });
  // A Date is text once it has gone through JSON, and that is what the handler would get.
  const dated = { type: "dated", payload: v.object({ at: v.date() }) };
  await assert.rejects(client.enqueue(dated, { at: new Date() }), /: at: /);
  await assert.rejects(client.enqueue("x", 1, { queue: "no queue" }), /queue: must be letters/);
  assert.equal((await client.list()).tasks.length, 0);
});

onBothBrokers("an option that is not known is refused with the one that was meant", async ({ connect }) => {
  const client = await connect();
  const refusal = async (call: Promise<unknown>): Promise<string> => {
    const error = await call.then(
      () => assert.fail("it was taken"),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof InvalidTaskError, String(error));
    return error.message;
  };
  const of = (options: object) => refusal(client.enqueue("x", 1, options));
  assert.match(await of({ deadlineMs: 5_000 }), /^deadlineMs: is not known; did you mean deadlineAt\?$/);
  assert.match(
    await of({ delayMS: 1, something: 2 }),
    /^delayMS: is not known; did you mean delayMs\?; something: is not known$/,
  );
  const items = [
    { task: "x", payload: 1 },
    { task: "x", payload: 2, prioritty: 1 },
  ];
  assert.match(
    await refusal(client.enqueueMany(items)),
    /^items\[1\]: prioritty: is not known; did you mean priority\?/,
  );
  const nameless = [{ type: "x", payload: 1 }] as never;
  assert.match(
    await refusal(client.enqueueMany(nameless)),
    /^items\[0\]: task: must be the name of a type.*got nothing$/,
  );
  assert.equal((await client.list()).tasks.length, 0);
  assert.equal((await client.enqueue("x", 1, { deadlineAt: undefined })).created, true);
});

onBothBrokers("enqueueing the same id again changes nothing and says so", async ({ connect }) => {
  const client = await connect();
  await client.enqueue("idle", 1, { id: "same" });
  assert.deepEqual(await client.enqueue("idle", 2, { id: "same" }), { id: "same", created: false, state: "queued" });
  assert.equal(JSON.parse((await client.task("same"))?.message ?? "").payload, 1);
});

onBothBrokers("a delayed task is scheduled and due when it was said", async ({ connect }) => {
  const client = await connect();
  const receipt = await client.enqueue("idle", 1, { id: "later", delayMs: 60_000 });
  assert.equal(receipt.state, "scheduled");
  const due = (await client.task("later"))?.due_at ?? 0;
  assert.ok(Math.abs(due - Date.now() - 60_000) < 10_000, String(due - Date.now()));
  const past = await client.enqueue("idle", 1, { at: new Date(Date.now() - 5_000) });
  assert.equal(past.state, "queued");
});

onBothBrokers("a unique task is held back while another is under way, and not once that is done", async (stage) => {
  const client = await stage.connect();
  const first = await client.enqueue("sync", { b: 1, a: 2 }, { unique: {} });
  const second = await client.enqueue("sync", { a: 2, b: 1 }, { unique: {} });
  assert.deepEqual([second.id, second.created], [first.id, false]);
  const other = await client.enqueue("sync", { a: 3 }, { unique: {} });
  assert.equal(other.created, true);
  const executor = await stage.executor();
  const deliveries = await claimAll(executor, 2);
  const keys = deliveries.map(({ raw }) => JSON.parse(raw ?? "").taskexe.unique_key);
  for (const [index, delivery] of deliveries.entries()) {
    const { id, task_type: type } = JSON.parse(delivery.raw ?? "");
    const base = {
      delivery,
      id,
      type,
      attempt: 1,
      crashes: 0,
      startedAt: Date.now(),
      retentionMs: 60_000,
      recorded: true,
    };
    await executor.complete([{ ...base, told: null, uniqueKey: keys[index] ?? null, kind: "done", result: null }]);
  }
  const third = await client.enqueue("sync", { a: 2, b: 1 }, { unique: {} });
  assert.equal(third.created, true);
  assert.notEqual(third.id, first.id);
});

onBothBrokers("many tasks go in batches, in order, and those that were there are told", async ({ connect }) => {
  const client = await connect();
  await client.enqueue("idle", 0, { id: "task-1500" });
  async function* items() {
    for (let index = 0; index < 2_500; index++) yield { payload: index, id: `task-${index}` };
  }
  const receipts = await client.enqueueMany("idle", items());
  assert.equal(receipts.length, 2_500);
  assert.deepEqual(
    receipts.filter(({ created }) => !created).map(({ id }) => id),
    ["task-1500"],
  );
  assert.equal(receipts[2_499]?.id, "task-2499");
  const counts = (await client.counts()).find(({ name }) => name === "common");
  assert.equal(counts?.queued, 2_500);
});

onBothBrokers("many tasks of which one is wrong stop there, and what was enqueued is told", async ({ connect }) => {
  const client = await connect();
  const items = Array.from({ length: 1_200 }, (_, index) => ({ payload: { name: index === 1_100 ? 1 : "x" } }));
  await assert.rejects(client.enqueueMany(greet, items as { payload: { name: string } }[]), (error) => {
    assert.ok(error instanceof PartlyEnqueuedError);
    assert.equal(error.receipts.length, 1_000);
    assert.ok(error.cause instanceof InvalidTaskError);
    assert.match(error.cause.message, /^items\[1100\]: /);
    return true;
  });
  assert.equal((await client.counts()).find(({ name }) => name === "common")?.queued, 1_000);
  await assert.rejects(client.enqueueMany([{ task: "x", priority: 5 }]), InvalidTaskError);
  const wrong = client.enqueueMany("x", [{ payload: 1 }, { payload: { a: [Number.NaN] } }]);
  await assert.rejects(wrong, /^InvalidTaskError: items\[1\]: .*payload\.a\[0\] is NaN/);
});

onBothBrokers("enqueues of one moment travel together and each gets its own receipt", async ({ connect }) => {
  const client = await connect();
  const ids = Array.from({ length: 3_000 }, (_, index) => `together-${index}`);
  const receipts = await Promise.all(ids.map((id) => client.enqueue("idle", null, { id })));
  assert.deepEqual(
    receipts.map(({ id }) => id),
    ids,
  );
  assert.ok(receipts.every(({ created }) => created));
});

onBothBrokers("a closed client refuses, and what was on its way has arrived", async ({ connect }) => {
  const client = await connect();
  await client.enqueue("idle", 1, { id: "underway" });
  const last = client.enqueue("idle", 1, { id: "last" });
  await Promise.all([last, client.close()]);
  await assert.rejects(client.enqueue("idle"), ClientClosedError);
  await assert.rejects(client.watch("underway").next(), ClientClosedError);
  const again = await connect();
  assert.equal((await again.task("last"))?.state, "queued");
});

onRedis("an enqueue waits for a broker that is away and is sent once it is back", async ({ connect, redis }) => {
  const client = await connect();
  await redis.kill("SIGKILL");
  const waiting = client.enqueue("idle", 1, { id: "patient" });
  await redis.restart();
  assert.deepEqual(await waiting, { id: "patient", created: true, state: "queued" });
});

onRedis("an enqueue whose answer is lost makes one task, not two", async ({ connect, redis, executor }) => {
  const client = await connect();
  await client.enqueue("idle", 0, { id: "first" });
  // A stopped server takes the command in and answers after the client has given the connection up.
  await redis.kill("SIGSTOP");
  const lost = client.enqueue("idle", 1, { id: "lost" });
  const broker = await stoppedFor(4_000, redis, executor);
  const receipt = await lost;
  assert.equal(receipt.id, "lost");
  await broker.complete((await claimAll(broker, 2)).map((it) => done(it, { result: "1" })));
  const counts = (await client.counts()).find(({ name }) => name === "common");
  assert.deepEqual([counts?.queued, counts?.running, counts?.done], [0, 0, 2]);
});

onRedis("the wait for a broker has an end, and so has the number of those who wait", async ({ connect, redis }) => {
  const client = await connect({ waitMs: 1_000, maxWaiting: 3 });
  await redis.kill("SIGKILL");
  const begun = performance.now();
  const waiting = [1, 2, 3].map((payload) => client.enqueue("idle", payload));
  const settled = Promise.allSettled(waiting);
  await assert.rejects(client.enqueue("idle", 4), (error) => {
    assert.ok(error instanceof ClientOverloadedError);
    assert.match(error.message, /^3 tasks wait to be enqueued and one more does not fit \(limit 3\)$/);
    return true;
  });
  for (const result of await settled) {
    assert.ok(result.status === "rejected" && result.reason instanceof BrokerUnavailableError);
    assert.match(result.reason.message, /^not enqueued within 1000 ms: /);
  }
  // Not the wait of a client that was told nothing of it.
  assert.ok(performance.now() - begun < 20_000);
  await redis.restart();
  // Room again.
  await until("the client is connected again", 20_000, () => client.enqueue("idle", 5, { id: "after" }));
});

test("connecting to nobody fails within the wait, and the address shows no password", async () => {
  const begun = performance.now();
  await assert.rejects(connect("redis://user:secret@127.0.0.1:1/1", { waitMs: 300 }), (error) => {
    assert.ok(error instanceof BrokerUnavailableError);
    assert.match(error.message, /the broker redis:\/\/.*127\.0\.0\.1:1.* cannot be reached/);
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
  assert.ok(performance.now() - begun < 5_000);
});

test("a signal ends the connecting with its own reason", async () => {
  const controller = new AbortController();
  const connecting = connect("redis://127.0.0.1:1/1", { signal: controller.signal });
  controller.abort(new Error("no more patience"));
  await assert.rejects(connecting, /no more patience/);
});

/** Lets the server go on after a while; gives an executor that connected then. */
async function stoppedFor<T>(
  ms: number,
  redis: { kill(signal: "SIGCONT"): Promise<void> },
  executor: () => Promise<T>,
): Promise<T> {
  const begun = performance.now();
  await until("the client has given the connection up", ms + 5_000, () => performance.now() - begun > ms);
  await redis.kill("SIGCONT");
  return executor();
}
