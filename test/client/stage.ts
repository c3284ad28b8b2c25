/**
 * What the tests of the client stand on: fresh data on either broker, a client, and an executor that the test itself
 * plays: it claims and ends attempts as told, so that every state is reached on purpose.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Broker, Delivery, Outcome } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/open-broker.ts";
import type { Client } from "../../src/client/client.ts";
import { type ConnectOptions, connect } from "../../src/client/connect.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

export const SLOW = { timeout: 60_000 };

export interface Stage {
  readonly url: string;
  /** Only where the data is in Redis. */
  readonly redis: RedisServer | null;
  connect(options?: ConnectOptions): Promise<Client>;
  /** An executor's broker; it claims from `common` and `other`. */
  executor(name?: string): Promise<Broker>;
}

/** Registers a test on both brokers; everything is closed and removed at its end. */
export function onBothBrokers(name: string, body: (stage: Stage) => Promise<void>): void {
  test(`sqlite: ${name}`, SLOW, async () => {
    const folder = await mkdtemp(join(tmpdir(), "taskexe-client-"));
    try {
      await onStage(`sqlite:${join(folder, "queue.db")}`, null, body);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
  onRedis(name, body);
}

export function onRedis(name: string, body: (stage: Stage & { redis: RedisServer }) => Promise<void>): void {
  test(`redis: ${name}`, SLOW, async () => {
    const redis = await startRedis();
    try {
      await onStage(redis.url, redis, (stage) => body({ ...stage, redis }));
    } finally {
      await redis.stop();
    }
  });
}

async function onStage(url: string, redis: RedisServer | null, body: (stage: Stage) => Promise<void>): Promise<void> {
  const ends: (() => Promise<void>)[] = [];
  const queues = ["common", "other"];
  const stage: Stage = {
    url,
    redis,
    async connect(options) {
      const client = await connect(url, { queues, ...options });
      ends.push(() => client.close());
      return client;
    },
    async executor(executor = "executor") {
      const broker = await createBroker(url, { executor, queues, leaseMs: 30_000 });
      ends.push(() => broker.close());
      await broker.open(openRoot().signal);
      return broker;
    },
  };
  try {
    await body(stage);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

export async function claim(broker: Broker, count: number): Promise<Delivery[]> {
  const claimed: Delivery[] = [];
  const limit = openRoot();
  limit.deadline = performance.now() + 20_000;
  while (claimed.length < count) claimed.push(...(await broker.claim(count - claimed.length, limit.signal)));
  return claimed;
}

type Ending = { kind: "done"; result: unknown } | { kind: "dead"; reason: string };

/** Ends attempts. */
export async function end(broker: Broker, deliveries: readonly Delivery[], ending: Ending): Promise<void> {
  const outcomes = deliveries.map((delivery): Outcome => {
    const { id, task_type: type } = JSON.parse(delivery.raw ?? "");
    const base = {
      ...{ delivery, id, type, attempt: 1, crashes: 0, startedAt: Date.now(), retentionMs: 60_000 },
      ...{ recorded: true, told: null, uniqueKey: null },
    };
    if (ending.kind === "done") return { ...base, kind: "done", result: JSON.stringify(ending.result) };
    return { ...base, kind: "dead", reason: ending.reason, error: null };
  });
  await broker.complete(outcomes);
}
