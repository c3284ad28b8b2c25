/** bunqueue as a side of consume-sqlite: embedded, in a process of its own that times itself (bunqueue-consume.ts). */
import { join } from "node:path";
import * as v from "valibot";
import { run } from "../processes.ts";
import { script } from "../scripts.ts";
import type { ConsumeSide } from "../sides.ts";
import { removeFolders, tempFolder } from "../temp-folders.ts";

const Told = v.object({
  tasks: v.number(),
  seconds: v.number(),
  coldRate: v.number(),
  cpuMs: v.number(),
  rssBytes: v.number(),
});

/** Its rate falls as its queue grows, so it gets the short queues that suit it. */
const TASKS = { disk: { full: 10_000, quick: 3_000 }, memory: { full: 100_000, quick: 30_000 } };

export function bunqueueSide(where: "disk" | "memory"): ConsumeSide {
  return {
    name: where === "disk" ? "bunqueue on disk" : "bunqueue in memory",
    durability:
      where === "disk" ? "a power cut loses the last writes (synchronous NORMAL, as it ships)" : "none: in memory",
    async measure(concurrency, quick) {
      const tasks = quick ? TASKS[where].quick : TASKS[where].full;
      const folder = tempFolder();
      try {
        const args = [script("rivals/bunqueue-consume.ts"), String(concurrency), String(tasks)];
        if (where === "disk") args.push(join(folder, "bunqueue.db"));
        const output = await run(process.execPath, args, { cwd: folder });
        const told = v.parse(Told, JSON.parse(output.trim().split("\n").at(-1) ?? ""));
        return { ...told, cpuMs: { consumer: told.cpuMs } };
      } finally {
        removeFolders([folder]);
      }
    },
    close: async () => {},
  };
}
