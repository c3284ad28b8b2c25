/** BullMQ as a side of consume-redis: one Worker in a process of its own, on Bun or on Node. */
import { Redis } from "ioredis";
import { run, start } from "../processes.ts";
import type { RedisServer } from "../redis-server.ts";
import { type ScriptRuntime, script } from "../scripts.ts";
import type { WatchedSide } from "../sides.ts";

export function bullmqSide(server: RedisServer, on: ScriptRuntime): WatchedSide {
  const redis = new Redis({ port: server.port });
  return {
    name: `BullMQ on ${on.name}`,
    durability: server.durability,
    tasks(concurrency, quick) {
      if (quick) return concurrency === 1 ? 3_000 : 20_000;
      return concurrency === 1 ? 15_000 : 60_000;
    },
    async fill(count) {
      await redis.flushall();
      // The same filler for both runtimes: filling is measured elsewhere.
      await run(process.execPath, [script("rivals/bullmq-fill.ts"), String(server.port), String(count)]);
    },
    consume(concurrency) {
      return start(on.command, [
        ...on.args,
        script("rivals/bullmq-consume.ts"),
        String(server.port),
        String(concurrency),
      ]);
    },
    async look(count) {
      const [waiting, active] = await Promise.all([redis.llen("bull:noop:wait"), redis.llen("bull:noop:active")]);
      return { claimed: active > 0 || waiting < count, empty: waiting === 0 && active === 0 };
    },
    async verify() {
      // Completed jobs are removed; a failed one would stay in its list or as a key of its own.
      const left = [await redis.zcard("bull:noop:failed"), await redis.zcard("bull:noop:completed")];
      if (left.some((count) => count > 0)) throw new Error(`BullMQ left failed and completed jobs: ${left.join(", ")}`);
    },
    async close() {
      await redis.quit();
    },
  };
}
