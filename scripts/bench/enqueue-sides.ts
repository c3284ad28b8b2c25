/** The sides of the enqueue benchmark: each empties its queue, enqueues, and checks that all of it is there. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import * as v from "valibot";
import { openClient } from "./ours/client.ts";
import { program, runProgram } from "./ours/program.ts";
import { run } from "./processes.ts";
import type { RedisServer } from "./redis-server.ts";
import { type ScriptRuntime, script } from "./scripts.ts";

export interface EnqueueSide {
  readonly name: string;
  readonly durability: string;
  readonly setting: string;
  /** Enqueues so many into an empty queue of its own; the seconds that took. `folder` is empty. */
  enqueue(count: number, folder: string): Promise<number>;
}

const Told = v.object({ seconds: v.number() });

/** Where ours enqueues: an address, given an empty folder. Emptied by `empty`. */
export interface Place {
  readonly name: string;
  readonly durability: string;
  url(folder: string): string;
  empty(): Promise<void>;
}

export function ourBatches(place: Place): EnqueueSide {
  return {
    name: `taskexe on ${place.name}, Broker.enqueue`,
    durability: place.durability,
    setting: "batches of 1,000",
    async enqueue(count, folder) {
      await place.empty();
      const output = await run(process.execPath, [script("ours/enqueue-script.ts"), place.url(folder), String(count)]);
      await verify(place.url(folder), count);
      return v.parse(Told, JSON.parse(output)).seconds;
    },
  };
}

export function ourJsonLines(place: Place): EnqueueSide {
  return {
    name: `taskexe enqueue --jsonl on ${place.name} (${program().label})`,
    durability: place.durability,
    setting: "the whole command",
    async enqueue(count, folder) {
      await place.empty();
      const file = join(folder, "tasks.jsonl");
      writeFileSync(file, '{"type":"noop"}\n'.repeat(count));
      const began = performance.now();
      await runProgram(folder, "enqueue", "--broker", place.url(folder), "--jsonl", file);
      const seconds = (performance.now() - began) / 1000;
      await verify(place.url(folder), count);
      return seconds;
    },
  };
}

export function bullmqAddBulk(server: RedisServer, on: ScriptRuntime): EnqueueSide {
  return {
    name: `BullMQ on ${on.name}, addBulk`,
    durability: server.durability,
    setting: "batches of 1,000",
    async enqueue(count) {
      const redis = new Redis({ port: server.port });
      try {
        await redis.flushall();
        const args = [...on.args, script("rivals/bullmq-fill.ts"), String(server.port), String(count)];
        const output = await run(on.command, args);
        const waiting = await redis.llen("bull:noop:wait");
        if (waiting !== count) throw new Error(`${count} jobs were added, ${waiting} wait`);
        return v.parse(Told, JSON.parse(output)).seconds;
      } finally {
        redis.disconnect();
      }
    },
  };
}

async function verify(url: string, count: number): Promise<void> {
  const client = await openClient(url);
  try {
    const queued = (await client.counts()).reduce((sum, queue) => sum + queue.queued, 0);
    if (queued !== count) throw new Error(`${count} tasks were enqueued, ${queued} are queued`);
  } finally {
    await client.close();
  }
}
