/** Ours as a side of the hostile benchmark: an executor with one shared runner to begin with. */
import { Redis } from "ioredis";
import type { EnqueueRequest } from "../../../src/broker/broker.ts";
import { formatMessage } from "../../../src/task/message/message.ts";
import { CONCURRENCY, GOOD, type HostileSide, MEMORY_MB } from "../hostile-sides.ts";
import { freePort, type RedisServer } from "../redis-server.ts";
import { script } from "../scripts.ts";
import { removeFolders, tempFolder } from "../temp-folders.ts";
import { openClient, QUEUE } from "./client.ts";
import { firstAnswer, told } from "./http.ts";
import { startExecutor } from "./program.ts";

const DATABASE = 2;
const READY_MS = 20_000;
const KEPT_MS = 3_600_000;

export function ourHostileSide(server: RedisServer): HostileSide {
  let scenes = 0;
  return {
    name: "taskexe, shared runner",
    async begin(deed, environment) {
      const home = tempFolder();
      const httpPort = await freePort();
      const badId = `bad-${scenes++}`;
      const url = server.url(DATABASE);
      const redis = new Redis({ port: server.port, db: DATABASE });
      await redis.flushdb();
      await redis.quit();
      const process = await startExecutor({
        broker: url,
        concurrency: CONCURRENCY,
        home,
        httpPort,
        tasks: script("ours/hostile-tasks.ts"),
        flags: { "--grace": "1s" },
        extraEnvironment: { ...environment, TASKEXE_RUNNER_MAX_RSS: `${MEMORY_MB}MB` },
      });
      await firstAnswer(httpPort, "/readyz", READY_MS);
      const client = await openClient(url);
      const good = Array.from({ length: GOOD.all }, (_, n) => request(`good-${badId}-${n}`, "good", null));
      await client.enqueue(good.toSpliced(GOOD.before, 0, request(badId, "bad", deed)));
      return {
        process,
        async look() {
          const { done } = await told(httpPort);
          const record = await client.record(badId);
          const state = record?.state ?? "queued";
          const ended = ["done", "dead", "cancelled"].includes(state);
          const goodDone = done - (state === "done" ? 1 : 0);
          return { goodDone, bad: { ended, state, reason: record?.reason ?? "" } };
        },
        async close() {
          await client.close();
          removeFolders([home]);
        },
      };
    },
  };
}

function request(id: string, type: string, payload: unknown): EnqueueRequest {
  const message = formatMessage({ id, type, payload });
  return { id, type, queue: QUEUE, priority: 0, message, retentionMs: KEPT_MS };
}
