/**
 * How long 200 000 tasks take to be cancelled, queued again, and to come due in one instant, by hand: `bun
 * scripts/soak/bulk.ts [redis|sqlite [COUNT]]` over dist/taskexe. Fails where one of the three takes more than 5 s, or
 * a count is wrong. Of Redis it tells what the scripts cost, and how many steps held it for more than 5 ms.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Redis } from "ioredis";
import type { Broker, QueueCounts } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { openRoot, sleep } from "../../src/concurrency/index.ts";
import { startRedis } from "../../test/stage/redis/server.ts";
import { requests } from "./scale-stage.ts";

const LIMIT_MS = 5_000;
const CHUNK = 250;
const QUEUE = "common";
const HOUR_MS = 3_600_000;
const kind = process.argv[2] === "sqlite" ? "sqlite" : "redis";
const count = Number(process.argv[3] ?? 200_000);
const { signal } = openRoot();
const folder = await mkdtemp(join(tmpdir(), "taskexe-bulk-"));
const server = kind === "redis" ? await startRedis() : null;
const redis = server === null ? null : new Redis(server.url);
const url = server?.url ?? `sqlite:${join(folder, "tasks.db")}`;
const keeping = { doneLimit: 0, cancelledLimit: 0 };
const broker = await createBroker(url, { executor: null, queues: [QUEUE], leaseMs: 60_000, ...keeping });
await broker.open(signal);
const command = resolve(import.meta.dirname, "../../dist/taskexe");
const env = { ...process.env, STATE_DIRECTORY: folder, TASKEXE_CANCELLED_LIMIT: "0" };

/** @param dueAt - null: they are queued at once. */
async function fill(into: Broker, dueAt: number | null): Promise<void> {
  for (let left = count; left > 0; left -= CHUNK) {
    const delayMs = dueAt === null ? 0 : dueAt - into.now();
    if (delayMs < 0) throw new Error("they were due before all were put");
    await into.enqueue(requests(Math.min(CHUNK, left), { retentionMs: HOUR_MS, delayMs }));
  }
}

async function counts(): Promise<Partial<QueueCounts>> {
  return (await broker.counts()).find(({ name }) => name === QUEUE) ?? {};
}

let isFine = true;
function tell(what: string, tookMs: number, got: number | undefined): void {
  isFine &&= tookMs < LIMIT_MS && got === count;
  process.stdout.write(`${kind}: ${what} ${got} of ${count} tasks in ${(tookMs / 1000).toFixed(1)} s\n`);
}

async function measure(words: readonly string[]): Promise<number> {
  await redis?.config("RESETSTAT");
  await redis?.config("SET", "slowlog-log-slower-than", "5000", "slowlog-max-len", "10000");
  await redis?.call("SLOWLOG", "RESET");
  const began = performance.now();
  const child = spawn(command, [...words, "--broker", url], {
    cwd: folder,
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = await once(child, "exit");
  const tookMs = performance.now() - began;
  if (code !== 0) throw new Error(`${words[0]} ended with ${code}`);
  if (redis !== null) {
    const stats = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await redis.info("commandstats"));
    const slow: unknown = await redis.call("SLOWLOG", "GET", 10_000);
    const seconds = (Number(stats?.[2]) / 1e6).toFixed(1);
    const over = Array.isArray(slow) ? slow.length : 0;
    process.stdout.write(`  ${stats?.[1]} scripts, ${seconds} s of Redis; ${over} command(s) over 5 ms\n`);
  }
  return tookMs;
}

await fill(broker, null);
tell("cancelled", await measure(["cancel", "--type", "scale"]), (await counts()).cancelled);
tell("queued again", await measure(["retry", "--type", "scale", "--state", "cancelled"]), (await counts()).queued);
await broker.close();
await redis?.flushall();
const other = kind === "redis" ? url : `sqlite:${join(folder, "due.db")}`;
const due = await createBroker(other, { executor: null, queues: [QUEUE], leaseMs: 60_000, ...keeping });
await due.open(signal);
await due.pause({ kind: "queue", name: QUEUE });
const dueAt = due.now() + Math.max(20_000, count / 5);
await fill(due, dueAt);
const executor = spawn(command, ["run", "--broker", other, "--listen", "off"], { cwd: folder, env, stdio: "ignore" });
await sleep(dueAt - due.now(), signal);
const began = performance.now();
const queued = async (): Promise<number> => (await due.counts()).find(({ name }) => name === QUEUE)?.queued ?? 0;
while ((await queued()) < count && performance.now() - began < 60_000) await sleep(50, signal);
tell("due in one instant, queued", performance.now() - began, await queued());
if (executor.exitCode !== null) throw new Error(`the executor ended by itself, with ${executor.exitCode}`);
const exited = once(executor, "exit");
executor.kill("SIGTERM");
await exited;
await due.close();
redis?.disconnect();
await server?.stop();
await rm(folder, { recursive: true, force: true });
process.exit(isFine ? 0 : 1);
