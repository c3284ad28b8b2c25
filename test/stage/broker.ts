/**
 * Both brokers, for tests that must hold on each: a Redis server of the test's own, or a SQLite file; addresses for
 * executors, and for tests of the client a client and an executor that the test itself plays.
 */
import { test } from "node:test";

import type { Broker } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import type { Client } from "../../src/client/client.ts";
import { type ConnectOptions, connect } from "../../src/client/connect.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import type { RedisServer } from "./redis/server.ts";
import { SLOW, Stage } from "./stage.ts";

export interface QueueKind {
  readonly kind: "redis" | "sqlite";
  /** Makes an empty queue that lives as long as the stage; gives its address. */
  open(stage: Stage): Promise<string>;
}

export const QUEUES: readonly QueueKind[] = [
  { kind: "redis", open: async (stage) => (await stage.redis()).url },
  { kind: "sqlite", open: async (stage) => `sqlite:${stage.path("tasks.db")}` },
];

export interface BrokerStage {
  readonly url: string;
  /** Only where the data is in Redis. */
  readonly redis: RedisServer | null;
  connect(options?: ConnectOptions): Promise<Client>;
  /** The broker of an executor that the test plays; it claims from `common` and `other`. */
  executor(name?: string): Promise<Broker>;
}

/** Registers a test on both brokers; everything is closed and removed at its end. */
export function onBothBrokers(name: string, body: (stage: BrokerStage) => Promise<void>): void {
  test(`sqlite: ${name}`, SLOW, () => {
    return Stage.with((stage) => body(brokerStage(stage, `sqlite:${stage.path("queue.db")}`, null)));
  });
  onRedis(name, body);
}

export function onRedis(name: string, body: (stage: BrokerStage & { redis: RedisServer }) => Promise<void>): void {
  test(`redis: ${name}`, SLOW, () => {
    return Stage.with(async (stage) => {
      const redis = await stage.redis();
      await body({ ...brokerStage(stage, redis.url, redis), redis });
    });
  });
}

function brokerStage(stage: Stage, url: string, redis: RedisServer | null): BrokerStage {
  const queues = ["common", "other"];
  return {
    url,
    redis,
    async connect(options) {
      const client = await connect(url, { queues, ...options });
      stage.atEnd(() => client.close());
      return client;
    },
    async executor(executor = "executor") {
      const broker = await createBroker(url, { executor, queues, leaseMs: 30_000 });
      stage.atEnd(() => broker.close());
      await broker.open(openRoot().signal);
      return broker;
    },
  };
}
