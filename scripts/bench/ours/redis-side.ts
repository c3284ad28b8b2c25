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
import { program, startExecutor } from "./program.ts";

export function ourRedisSide(server: RedisServer, doneTasks: DoneTasks): WatchedSide {
  const redis = new Redis({ port: server.port, db: DATABASE });
  const home = tempFolder();
  let port = 0;
  return {
    name: `taskexe (${program().label})`,
    durability: server.durability,
    tasks(concurrency, quick) {
      if (quick) return concurrency === 1 ? 10_000 : 100_000;
      if (doneTasks === "kept") return 200_000;
      return concurrency === 1 ? 30_000 : concurrency === 10 ? 300_000 : 800_000;
    },
    async fill(count) {
      await redis.flushall();
      const client = await openClient(server.url(DATABASE));
      try {
        await fill(client, count, doneTasks);
      } finally {
        await client.close();
      }
    },
    async consume(concurrency) {
      port = await freePort();
      // Every record is counted afterwards.
      const extraEnvironment = { TASKEXE_DONE_LIMIT: "0" };
      return startExecutor({ broker: server.url(DATABASE), concurrency, home, httpPort: port, extraEnvironment });
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
