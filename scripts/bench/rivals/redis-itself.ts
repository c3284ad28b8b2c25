/** Redis's own limit as a side of consume-redis: the same entries, taken by prepared pipelines (redis-limit.ts). */
import { Redis } from "ioredis";
import type { QueueSight } from "../drain.ts";
import { request } from "../ours/client.ts";
import { start } from "../processes.ts";
import type { RedisServer } from "../redis-server.ts";
import type { WatchedSide } from "../sides.ts";
import { script } from "./bullmq.ts";

const DATABASE = 1;
const STREAM = "te.0.common";
const GROUP = "rag_flow_svr_task_broker";

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
      const args = [script("redis-limit.ts"), String(server.port), String(DATABASE), STREAM, GROUP, String(count)];
      return start(process.execPath, args);
    },
    look: (count) => lookAtStream(redis, STREAM, GROUP, count),
    verify: async () => {},
    async close() {
      await redis.quit();
    },
  };
}

/** A stream and its group: claimed once anything was read, empty once nothing is left in it or pending. */
export async function lookAtStream(redis: Redis, stream: string, group: string, count: number): Promise<QueueSight> {
  const [length, groups] = await Promise.all([redis.xlen(stream), redis.xinfo("GROUPS", stream)]);
  const inProgress = pendingOf(groups, group);
  return { claimed: inProgress > 0 || length < count, empty: length === 0 && inProgress === 0 };
}

/** How many entries a group has claimed and not acked, out of XINFO GROUPS: a flat list of names and values each. */
function pendingOf(groups: unknown, group: string): number {
  // The group is created by who consumes, so there may be none yet.
  for (const fields of Array.isArray(groups) ? groups : []) {
    if (Array.isArray(fields) && fields[fields.indexOf("name") + 1] === group) {
      return Number(fields[fields.indexOf("pending") + 1]);
    }
  }
  return 0;
}
