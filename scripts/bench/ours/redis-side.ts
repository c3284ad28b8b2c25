/** Ours as a side of consume-redis and consume-kept: an executor process, seen by its stream as Redis's limit is. */
import { Redis } from "ioredis";
import type { RedisServer } from "../redis-server.ts";
import { freePort } from "../redis-server.ts";
import type { DoneTasks, WatchedSide } from "../sides.ts";
import { DATABASE, lookAtStream } from "../stream.ts";
import { removeFolders, tempFolder } from "../temp-folders.ts";
import { fill, openClient } from "./client.ts";
import { told } from "./http.ts";
import { doneRecords } from "./kept-records.ts";
import { type ExecutorSettings, program, startExecutor } from "./program.ts";

/** How such a side differs from an executor with nothing but its built-in handlers. */
export interface RedisSideVariant {
  readonly name: string;
  /** The type of its tasks. */
  readonly type: string;
  /** How many of them one run takes. */
  readonly tasks: number;
  /** What its executor is told beside the defaults; files that it needs are written into the folder. */
  settings(home: string): Partial<ExecutorSettings>;
}

export function ourRedisSide(server: RedisServer, doneTasks: DoneTasks, variant?: RedisSideVariant): WatchedSide {
  const redis = new Redis({ port: server.port, db: DATABASE });
  const home = tempFolder();
  let port = 0;
  return {
    name: variant?.name ?? `taskexe (${program().label})`,
    durability: server.durability,
    tasks(concurrency, quick) {
      if (variant !== undefined) return quick ? Math.ceil(variant.tasks / 5) : variant.tasks;
      if (quick) return concurrency === 1 ? 10_000 : 100_000;
      if (doneTasks === "kept") return 200_000;
      return concurrency === 1 ? 30_000 : concurrency === 10 ? 300_000 : 800_000;
    },
    async fill(count) {
      await redis.flushall();
      const client = await openClient(server.url(DATABASE));
      try {
        await fill(client, count, doneTasks, variant?.type);
      } finally {
        await client.close();
      }
    },
    async consume(concurrency) {
      port = await freePort();
      // Every record is counted afterwards.
      const extraEnvironment = { TASKEXE_DONE_LIMIT: "0" };
      const settings = { broker: server.url(DATABASE), concurrency, home, httpPort: port, extraEnvironment };
      return startExecutor({ ...settings, ...variant?.settings(home) });
    },
    look: (count) => lookAtStream(redis, count),
    async verify(count) {
      const { done, failed } = await told(port);
      if (done !== count || failed !== 0)
        throw new Error(`${count} tasks were enqueued, ${done} done, ${failed} failed`);
      const records = await doneRecords(redis);
      const expected = doneTasks === "kept" ? count : 0;
      if (records !== expected) throw new Error(`${expected} done tasks should have a record, ${records} have`);
    },
    async close() {
      await redis.quit();
      removeFolders([home]);
    },
  };
}
