/** After the end of a task nothing is written about it, and what its attempts had written is ended with it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Redis } from "ioredis";
import type { Broker, Delivery } from "../../../src/broker/broker.ts";
import { createBroker } from "../../../src/broker/drivers.ts";
import { GROUP, LOG_PREFIX, RECORD_PREFIX, recordKey, streamKey } from "../../../src/broker/redis/keys.ts";
import { unpack } from "../../../src/broker/redis/records/codec.ts";
import { openRoot, sleep } from "../../../src/concurrency/index.ts";
import { Executor } from "../../../src/executor/executor.ts";
import { defineTask } from "../../../src/handlers/define-task.ts";
import { HandlerRegistry } from "../../../src/handlers/registry.ts";
import { formatMessage } from "../../../src/task/message/message.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { type RedisServer, startRedis } from "../../stage/redis/server.ts";
import { until } from "../../stage/until.ts";

const SOON_MS = 20_000;
const LEASE_MS = 600;
const STREAM = streamKey("common", 0);

let server: RedisServer;
let redis: Redis;

before(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});

after(async () => {
  redis.disconnect();
  await server.stop();
});

/** What the handlers of a stage run into from outside. */
interface Stage {
  readonly client: Broker;
  readonly executor: Executor;
  /** Lets go of a handler that ignores its cancel. */
  readonly letGo: () => void;
  /** Opens a broker under a name that no executor has. */
  open(name: string): Promise<Broker>;
}

/**
 * An executor in this process over an empty Redis; `quiet` ends at once, `tells` tells progress and ends some ms later.
 */
async function onStage(use: (stage: Stage) => Promise<void>): Promise<void> {
  await redis.flushdb();
  const opened: Broker[] = [];
  const open = async (name: string | null): Promise<Broker> => {
    const broker = await createBroker(server.url, { executor: name, queues: ["common"], leaseMs: LEASE_MS });
    opened.push(broker);
    await broker.open(AbortSignal.timeout(SOON_MS));
    return broker;
  };
  const held = Promise.withResolvers<void>();
  const handlers = new HandlerRegistry();
  const tells = defineTask({
    type: "tells",
    async run({ progress, signal }) {
      await progress(0.5, "half");
      await sleep(Math.random() * 20, signal);
    },
  });
  const logs = defineTask({ type: "logs", run: ({ log }) => log.info("a line") });
  const ignores = defineTask({
    type: "ignores",
    async run({ log }) {
      await held.promise;
      log.info("long after its end");
    },
  });
  for (const each of [tells, logs, ignores, defineTask({ type: "quiet", run: () => {} })]) handlers.add(each, "test");
  const client = await open(null);
  const own = await createBroker(server.url, { executor: "one", queues: ["common"], leaseMs: LEASE_MS });
  const options = { name: "one", version: "0", concurrency: 250, graceMs: 100 };
  const executor = new Executor({ broker: own, handlers, options });
  const ran = executor.run(openRoot());
  try {
    await until("it is ready", SOON_MS, () => executor.readiness().ready);
    await use({ client, executor, letGo: held.resolve, open });
  } finally {
    held.resolve();
    executor.drain("the test is over");
    await ran;
    for (const broker of opened) await broker.close();
  }
}

function ended(executor: Executor): number {
  const { done, dead, cancelled } = executor.status();
  return done + dead + cancelled;
}

/** The records and logs of tasks that are there. */
async function left(): Promise<string[]> {
  return [...(await redis.keys(`${RECORD_PREFIX}*`)), ...(await redis.keys(`${LOG_PREFIX}*`))];
}

test("of 10 000 tasks that tell progress and keep nothing no record is left", { timeout: 120_000 }, async () => {
  await onStage(async ({ client, executor }) => {
    const options = { retention_ms: 0 };
    for (let at = 0; at < 10_000; at += 1_000) {
      const tasks = Array.from({ length: 1_000 }, (_, index) => {
        const id = `t${at + index}`;
        const message = formatMessage({ id, type: "tells", payload: null, options });
        return { id, type: "tells", queue: "common", priority: 0, retentionMs: 0, message };
      });
      await client.enqueue(tasks);
    }
    await until("all have ended", 60_000, () => ended(executor) === 10_000);
    assert.deepEqual(await left(), []);
  });
});

test("of 10 000 done tasks that told progress and are kept each says 1", { timeout: 120_000 }, async () => {
  await onStage(async ({ client, executor }) => {
    for (let at = 0; at < 10_000; at += 1_000) {
      await client.enqueue(Array.from({ length: 1_000 }, (_, index) => requestOf(`k${at + index}`, "tells", null)));
    }
    await until("all have ended", 60_000, () => ended(executor) === 10_000);
    const pipeline = redis.pipeline();
    for (let n = 0; n < 10_000; n++) pipeline.getBuffer(recordKey(`k${n}`));
    const replies = (await pipeline.exec()) ?? [];
    const told = replies.map(([, reply], n) => (Buffer.isBuffer(reply) ? unpack(`k${n}`, reply)?.fields : undefined));
    assert.equal(told.filter((fields) => fields?.state === "done" && fields.progress === "1").length, 10_000);
  });
});

/** A message as RagFlow's producers write it, claimed by `from`, which told how far it is. */
async function toldBy(from: Broker, id: string, type = "quiet"): Promise<Delivery> {
  await redis.xadd(STREAM, "*", "message", JSON.stringify({ id, task_type: type }));
  const [delivery] = await from.claim(1, AbortSignal.timeout(SOON_MS));
  assert.ok(delivery);
  const told = { type, attempt: 1, startedAt: from.now(), progress: 0.5, progressMsg: "half" };
  await from.writeProgress([{ delivery, id, ...told }]);
  assert.equal((await from.record(id))?.progress, 0.5);
  return delivery;
}

/** What may come between the progress of one delivery and the quiet end of the next. */
const BETWEEN: Readonly<Record<string, (other: Broker, delivery: Delivery) => Promise<unknown>>> = {
  "a crash": async () => {},
  "a hand-back": (other, delivery) => other.release([delivery]),
  "a hand-back behind others": async (other, delivery) => {
    await redis.xadd(STREAM, "*", "message", JSON.stringify({ id: "between", task_type: "quiet" }));
    await redis.xreadgroup("GROUP", GROUP, "other", "COUNT", 1, "STREAMS", STREAM, ">");
    await other.release([delivery]);
  },
  "an entry that is deleted, and an enqueue": async (other) => {
    const [[entry] = [""]] = await redis.xrange(STREAM, "-", "+");
    await redis.xack(STREAM, GROUP, entry);
    await redis.xdel(STREAM, entry);
    const message = JSON.stringify({ id: "x", task_type: "quiet", payload: null, taskexe: { retention_ms: 0 } });
    await other.enqueue([{ ...requestOf("x", "quiet", null), message }]);
  },
  "a pause of its type": async (other, delivery) => {
    await other.pause({ kind: "type", name: "quiet" });
    const end = { attempt: 1, crashes: 0, startedAt: null, recorded: true, uniqueKey: null, told: null };
    const outcome = { delivery, id: "x", type: "quiet", retentionMs: 0, ...end, kind: "parked" } as const;
    assert.deepEqual(await other.complete([outcome]), ["recorded"]);
    await other.resume({ kind: "type", name: "quiet" });
  },
};

/** @param isUp - whether the other executor is there already when it happens. */
async function runsQuietlyAfter(
  happens: (other: Broker, delivery: Delivery) => Promise<unknown>,
  isUp = false,
): Promise<void> {
  await redis.flushdb();
  const other = await createBroker(server.url, { executor: "other", queues: ["common"], leaseMs: LEASE_MS });
  await other.open(AbortSignal.timeout(SOON_MS));
  const delivery = await toldBy(other, "x");
  if (!isUp) await happens(other, delivery);
  const handlers = new HandlerRegistry();
  handlers.add(defineTask({ type: "quiet", retentionMs: 0, run: () => {} }), "test");
  const own = await createBroker(server.url, { executor: "one", queues: ["common"], leaseMs: LEASE_MS });
  const options = { name: "one", version: "0", concurrency: 2, graceMs: 100 };
  const executor = new Executor({ broker: own, handlers, options });
  const ran = executor.run(openRoot());
  if (isUp) {
    await until("it is ready", SOON_MS, () => executor.readiness().ready);
    await happens(other, delivery);
  }
  await other.close();
  await until("it has run", SOON_MS, () => ended(executor) >= 1);
  executor.drain("the test is over");
  await ran;
}

for (const [what, happens] of Object.entries(BETWEEN)) {
  test(`progress, ${what}, and a quiet second run leave nothing behind`, { timeout: 60_000 }, async () => {
    await runsQuietlyAfter(happens);
    assert.deepEqual(await left(), []);
  });
}

test("progress, a group that is destroyed, and a quiet second run leave nothing behind", async () => {
  await runsQuietlyAfter(() => redis.xgroup("DESTROY", STREAM, GROUP), true);
  assert.deepEqual(await left(), []);
});

test("a foreign task whose handler logs keeps its record as long as its log", async () => {
  await onStage(async ({ client }) => {
    await redis.xadd(STREAM, "*", "message", JSON.stringify({ id: "x", task_type: "logs" }));
    await until("it is done", SOON_MS, async () => (await client.record("x"))?.state === "done");
    assert.deepEqual(
      (await client.logs("x")).map(({ text }) => text),
      ["a line"],
    );
  });
});

test("a handler that was left behind writes nothing to the log of its task", async () => {
  await onStage(async ({ client, executor, letGo }) => {
    await client.enqueue([requestOf("x", "ignores", null)]);
    await until("it runs", SOON_MS, () => executor.status().current.x !== undefined);
    await client.cancel(["x"]);
    await until("it is left behind", SOON_MS, () => executor.status().abandoned === 1);
    await until("it is cancelled", SOON_MS, async () => (await client.record("x"))?.state === "cancelled");
    letGo();
    await until("it has ended", SOON_MS, () => executor.status().abandoned === 0);
    // Whatever waits to be written goes before the end of another task.
    await client.enqueue([requestOf("y", "logs", null)]);
    await until("the other one is done", SOON_MS, async () => (await client.record("y"))?.state === "done");
    assert.deepEqual(await client.logs("x"), []);
  });
});
