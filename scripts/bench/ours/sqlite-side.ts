/** Ours as a side of consume-sqlite: an executor process on a file that a second process fills and watches. */
import { join } from "node:path";
import type { Broker } from "../../../src/broker/broker.ts";
import { freePort } from "../redis-server.ts";
import type { WatchedSide } from "../sides.ts";
import { removeFolders, tempFolder } from "../temp-folders.ts";
import { fill, openClient } from "./client.ts";
import { told } from "./http.ts";
import { program, startExecutor } from "./program.ts";

export function ourSqliteSide(): WatchedSide {
  let folder = "";
  let client: Broker | null = null;
  let port = 0;
  const leave = async () => {
    await client?.close();
    client = null;
    removeFolders([folder]);
  };
  const file = () => `sqlite:${join(folder, "tasks.db")}`;
  return {
    name: `taskexe (${program().label})`,
    durability: "a completed task survives a power cut (synchronous FULL)",
    tasks(concurrency, quick) {
      if (quick) return concurrency === 1 ? 2_000 : 30_000;
      return concurrency === 1 ? 5_000 : concurrency === 10 ? 50_000 : 200_000;
    },
    async fill(count) {
      await leave();
      folder = tempFolder();
      client = await openClient(file());
      await fill(client, count);
    },
    async consume(concurrency) {
      port = await freePort();
      return startExecutor({ broker: file(), concurrency, home: folder, httpPort: port });
    },
    async look(count) {
      const counts = (await client?.counts()) ?? [];
      const sum = (key: "queued" | "running") => counts.reduce((total, queue) => total + queue[key], 0);
      return { claimed: sum("queued") < count, left: sum("queued") + sum("running") };
    },
    async verify(count) {
      const { done, failed } = await told(port);
      if (done !== count || failed !== 0)
        throw new Error(`${count} tasks were enqueued, ${done} done, ${failed} failed`);
    },
    close: leave,
  };
}
