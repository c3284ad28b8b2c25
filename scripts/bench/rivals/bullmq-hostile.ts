/** BullMQ's sandboxed processors as a side of the hostile benchmark, on Node. */
import { Queue } from "bullmq";
import type { Deed } from "../hostile-deeds.ts";
import { CONCURRENCY, GOOD, type HostileSide, MEMORY_MB } from "../hostile-sides.ts";
import { start } from "../processes.ts";
import type { RedisServer } from "../redis-server.ts";
import { SCRIPT_RUNTIMES, script } from "../scripts.ts";

interface Job {
  readonly name: string;
  readonly data: Deed | null;
  readonly opts: { readonly jobId: string };
}

export function bullmqHostileSide(server: RedisServer): HostileSide {
  return {
    name: "BullMQ, sandboxed processors",
    async begin(deed, environment) {
      const node = SCRIPT_RUNTIMES.find(({ name }) => name === "Node");
      if (node === undefined) throw new Error("Node.js is not among the runtimes of scripts.ts");
      const queue = new Queue("hostile", { connection: { host: "127.0.0.1", port: server.port } });
      await queue.obliterate({ force: true });
      const good: Job[] = Array.from({ length: GOOD.all }, (_, n) => ({
        name: "good",
        data: null,
        opts: { jobId: `good-${n}` },
      }));
      await queue.addBulk(good.toSpliced(GOOD.before, 0, { name: "bad", data: deed, opts: { jobId: "bad" } }));
      const numbers = [server.port, CONCURRENCY, MEMORY_MB].map(String);
      const args = [...node.args, script("rivals/bullmq-hostile-worker.ts"), ...numbers];
      return {
        process: await start(node.command, args, { env: { PATH: process.env.PATH ?? "", ...environment } }),
        async look() {
          const [job, completed] = await Promise.all([queue.getJob("bad"), queue.getCompletedCount()]);
          const state = (await job?.getState()) ?? "unknown";
          const goodDone = completed - (state === "completed" ? 1 : 0);
          const ended = state === "completed" || state === "failed";
          return { goodDone, bad: { ended, state, reason: job?.failedReason ?? "" } };
        },
        close: () => queue.close(),
      };
    },
  };
}
