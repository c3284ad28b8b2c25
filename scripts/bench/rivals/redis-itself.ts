/**
 * Redis's own limit as a side of consume-redis: the entries that our producer wrote, taken by prepared pipelines
 * (redis-limit.ts).
 */
import { Redis } from "ioredis";
import { fill, openClient } from "../ours/client.ts";
import { start } from "../processes.ts";
import type { RedisServer } from "../redis-server.ts";
import { script } from "../scripts.ts";
import type { WatchedSide } from "../sides.ts";
import { DATABASE, GROUP, lookAtStream, STREAM } from "../stream.ts";

export function redisLimitSide(server: RedisServer): WatchedSide {
  const redis = new Redis({ port: server.port, db: DATABASE });
  return {
    name: "Redis itself (prepared pipelines, nothing parsed)",
    durability: server.durability,
    tasks: (_concurrency, quick) => (quick ? 100_000 : 800_000),
    async fill(count) {
      await redis.flushall();
      const client = await openClient(server.url(DATABASE));
      try {
        await fill(client, count);
      } finally {
        await client.close();
      }
      await redis.xgroup("CREATE", STREAM, GROUP, "0");
    },
    consume() {
      const args = [script("rivals/redis-limit.ts"), String(server.port), String(DATABASE), STREAM, GROUP];
      return start(process.execPath, args);
    },
    look: (count) => lookAtStream(redis, count),
    verify: async () => {},
    async close() {
      await redis.quit();
    },
  };
}
