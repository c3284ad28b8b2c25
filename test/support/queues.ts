/** The two kinds of queue, for tests that must hold on both: a Redis server of the test's own, or a SQLite file. */

import type { Fleet } from "./fleet.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";

export interface QueueKind {
  readonly kind: "redis" | "sqlite";
  /** Makes an empty queue that lives as long as the fleet; gives its address. */
  open(fleet: Fleet): Promise<string>;
}

export const QUEUES: readonly QueueKind[] = [
  { kind: "redis", open: async (fleet) => (await redisFor(fleet)).url },
  { kind: "sqlite", open: async (fleet) => `sqlite:${fleet.path("tasks.db")}` },
];

/** Starts a Redis server that ends with the fleet. */
export async function redisFor(fleet: Fleet, options: Parameters<typeof startRedis>[0] = {}): Promise<RedisServer> {
  const redis = await startRedis(options);
  fleet.atEnd(() => redis.stop());
  return redis;
}
