/**
 * What a task costs in Redis's memory, while it is queued and once it is done and its record is kept: ours beside
 * BullMQ, both at their defaults, both with a payload of 80 bytes. Time plays no part: one round is enough.
 */
import { Redis } from "ioredis";
import { runtime } from "../../src/runtime/index.ts";
import { fillWith, openClient } from "./ours/client.ts";
import { told } from "./ours/http.ts";
import { program, startExecutor } from "./ours/program.ts";
import { run, start } from "./processes.ts";
import { freePort, type RedisServer, startRedis } from "./redis-server.ts";
import type { Check, Outcome, Row } from "./results.ts";
import type { Context } from "./rounds.ts";
import { script } from "./scripts.ts";
import { removeFolders, tempFolder } from "./temp-folders.ts";

const BENCH = "bytes-redis";
const DATABASE = 1;
/** 80 bytes of JSON. */
const PAYLOAD = JSON.stringify({ text: "x".repeat(80 - '{"text":""}'.length) });
/** How long a queue may take to be emptied, in ms. */
const PATIENCE_MS = 300_000;
const TARGETS = { queued: 450, kept: 600 };

const NOTES = [
  "bytes-redis: how much used_memory of Redis grows for a task with a payload of 80 bytes: queued, and done with its " +
    "record kept, each divided by the number of tasks. taskexe: the stream, the record, the index of done tasks, " +
    "retention at its default. BullMQ: the list, the job hash, bull:noop:completed, removeOnComplete at its default.",
];

interface Bytes {
  readonly queued: number;
  readonly kept: number;
}

export async function bytesRedis(context: Context): Promise<Outcome> {
  const count = context.quick ? 20_000 : 100_000;
  const server = await startRedis("none");
  const redis = new Redis({ port: server.port, db: DATABASE });
  try {
    const ours = await ourBytes(server, redis, count);
    context.progress(`${BENCH}: ours ${shown(ours)}`);
    const theirs = await bullmqBytes(server, redis, count);
    context.progress(`${BENCH}: BullMQ ${shown(theirs)}`);
    const rows = (["queued", "kept"] as const).flatMap((what): Row[] => [
      row(`taskexe (${program().label})`, what, ours[what], count),
      row("BullMQ", what, theirs[what], count),
    ]);
    return { rows, checks: [check("queued", ours.queued), check("kept", ours.kept)], notes: NOTES };
  } finally {
    redis.disconnect();
    await server.stop();
  }
}

async function ourBytes(server: RedisServer, redis: Redis, count: number): Promise<Bytes> {
  const home = tempFolder();
  const httpPort = await freePort();
  const before = await emptied(redis);
  const client = await openClient(server.url(DATABASE));
  await fillWith(client, count, PAYLOAD);
  await client.close();
  const queued = await usedMemory(redis);
  const extraEnvironment = { TASKEXE_DONE_LIMIT: "0" };
  const executor = await startExecutor({
    ...{ broker: server.url(DATABASE), concurrency: 100, home, httpPort, extraEnvironment },
  });
  try {
    await until(async () => (await told(httpPort)).done >= count);
  } finally {
    await executor.stop();
    removeFolders([home]);
  }
  const kept = await usedMemory(redis);
  if ((await redis.zcard("taskexe:done:common")) !== count) throw new Error("not every done task has its record");
  return { queued: (queued - before) / count, kept: (kept - before) / count };
}

async function bullmqBytes(server: RedisServer, redis: Redis, count: number): Promise<Bytes> {
  const before = await emptied(redis);
  const port = String(server.port);
  await run(process.execPath, [script("rivals/bullmq-fill.ts"), port, String(count), "kept", PAYLOAD]);
  const queued = await usedMemory(redis);
  const own = new Redis({ port: server.port });
  const worker = await start(process.execPath, [script("rivals/bullmq-consume.ts"), port, "100"]);
  try {
    await until(async () => (await own.zcard("bull:noop:completed")) >= count);
  } finally {
    await worker.stop();
    own.disconnect();
  }
  const kept = await usedMemory(redis);
  return { queued: (queued - before) / count, kept: (kept - before) / count };
}

async function emptied(redis: Redis): Promise<number> {
  await redis.flushall("SYNC");
  return usedMemory(redis);
}

async function usedMemory(redis: Redis): Promise<number> {
  // Tables that still move to their new size, and clients that have just left, are not counted.
  await runtime.sleep(2_000);
  const used = /^used_memory:(\d+)/m.exec(await redis.info("memory"))?.[1];
  if (used === undefined) throw new Error("INFO tells no used_memory");
  return Number(used);
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await isSo().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`the queue was not emptied in ${PATIENCE_MS / 1000} s`);
    await runtime.sleep(100);
  }
}

function row(side: string, what: string, value: number, tasks: number): Row {
  return {
    ...{ bench: BENCH, side, setting: `a task ${what}, payload of 80 bytes`, durability: "" },
    ...{ value, unit: "bytes", rounds: [], more: { tasks } },
  };
}

function check(what: keyof Bytes, value: number): Check {
  return {
    ...{ bench: BENCH, what: `a task ${what}`, value, unit: "bytes" },
    ...{ relation: "<", target: TARGETS[what], aim: null },
  };
}

function shown({ queued, kept }: Bytes): string {
  return `${queued.toFixed(0)} bytes queued, ${kept.toFixed(0)} kept`;
}
