/** BullMQ as a side of consume-redis and consume-kept: one Worker in a process of its own, on Bun or on Node. */
import { Redis } from "ioredis";
import { run, start } from "../processes.ts";
import type { RedisServer } from "../redis-server.ts";
import type { Row } from "../results.ts";
import { type ScriptRuntime, script } from "../scripts.ts";
import type { DoneTasks, WatchedSide } from "../sides.ts";

/**
 * BullMQ with sandboxed processors: one Worker, and a process for each of its jobs at a time. On Node, as these
 * processes are what its documentation describes.
 */
export function bullmqSandboxSide(server: RedisServer, on: ScriptRuntime, processes: number): WatchedSide {
  const inline = bullmqSide(server, on, "removed");
  return {
    ...inline,
    name: `BullMQ sandbox on ${on.name}, ${processes} processes`,
    tasks: (_concurrency, quick) => (quick ? 2_000 : 10_000),
    consume: () =>
      start(on.command, [...on.args, script("rivals/bullmq-sandbox.ts"), ...[server.port, processes].map(String)]),
  };
}

export function bullmqSide(server: RedisServer, on: ScriptRuntime, doneTasks: DoneTasks): WatchedSide {
  const redis = new Redis({ port: server.port });
  return {
    name: `BullMQ on ${on.name}`,
    durability: server.durability,
    tasks(concurrency, quick) {
      if (quick) return concurrency === 1 ? 3_000 : 20_000;
      return concurrency === 1 ? 15_000 : 80_000;
    },
    async fill(count) {
      await redis.flushall();
      // The same filler for both runtimes: filling is measured elsewhere.
      const args = [script("rivals/bullmq-fill.ts"), String(server.port), String(count), doneTasks];
      await run(process.execPath, args);
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
      return { claimed: active > 0 || waiting < count, left: waiting + active };
    },
    async verify(count) {
      // A failed job stays, whatever becomes of completed ones.
      const left = [await redis.zcard("bull:noop:failed"), await redis.zcard("bull:noop:completed")].join(", ");
      const expected = `0, ${doneTasks === "kept" ? count : 0}`;
      if (left !== expected) throw new Error(`BullMQ left failed and completed jobs: ${left}; expected ${expected}`);
    },
    async close() {
      await redis.quit();
    },
  };
}

/** How many times BullMQ's better runtime this side is, of rows at one setting. */
export function timesBullmq(rows: readonly Row[], side: string): number {
  const rateOf = (chosen: (name: string) => boolean) =>
    Math.max(...rows.filter((row) => chosen(row.side)).map(({ value }) => value));
  return rateOf((name) => name === side) / rateOf((name) => name.startsWith("BullMQ"));
}
