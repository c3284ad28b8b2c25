/** Redis's own limit as a side of consume-redis: the same entries, taken by prepared pipelines (redis-limit.ts). */
import { Redis } from "ioredis";
import { request } from "../ours/client.ts";
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
    tasks: (_concurrency, quick) => (quick ? 100_000 : 400_000),
    async fill(count) {
      await redis.flushall();
      await redis.xgroup("CREATE", STREAM, GROUP, "0", "MKSTREAM");
      for (let first = 1; first <= count; first += 1000) {
        const pipeline = redis.pipeline();
        for (let n = first; n < Math.min(first + 1000, count + 1); n++) {
          pipeline.xadd(STREAM, `1-${n}`, "message", request("noop").message);
        }
        await pipeline.exec();
      }
    },
    consume(_concurrency, count) {
      const args = [
        script("rivals/redis-limit.ts"),
        String(server.port),
        String(DATABASE),
        STREAM,
        GROUP,
        String(count),
      ];
      return start(process.execPath, args);
    },
    look: (count) => lookAtStream(redis, count),
    verify: async () => {},
    async close() {
      await redis.quit();
    },
  };
}
