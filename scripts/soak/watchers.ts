/**
 * What watching costs Redis, by hand: `bun scripts/soak/watchers.ts`. Twenty watch one task whose log has 2 MB, in one
 * process: how many bytes Redis sends a second while nothing changes, and while the log grows by 10 kB a second. Fails
 * beyond 20 kB a second when idle, and beyond three times what is new when it grows.
 */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { createBroker } from "../../src/broker/drivers.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { watchTask } from "../../src/operations/watch/watch.ts";
import { startRedis } from "../../test/stage/redis/server.ts";

const [WATCHERS, SECONDS, LINES_A_SECOND, LINE_LENGTH] = [20, 10, 5, 2_000];
const MOST_IDLE = 20_000;
const server = await startRedis();
const admin = new Redis(server.url);
const broker = await createBroker(server.url, { executor: "watched", queues: ["common"], leaseMs: 30_000 });
const root = openRoot();
await broker.open(root.signal);

/** Bytes that Redis has sent. */
async function sent(): Promise<number> {
  return Number(/total_net_output_bytes:(\d+)/.exec(await admin.info("stats"))?.[1]);
}

async function rateOf(what: string, during: () => Promise<unknown>): Promise<number> {
  const [from, begun] = [await sent(), performance.now()];
  await during();
  const [bytes, ms] = [(await sent()) - from, performance.now() - begun];
  process.stdout.write(`${what}: ${Math.round(bytes / ms)} kB/s, of which a part is this question\n`);
  return (bytes / ms) * 1_000;
}

const id = "watched";
const line = { at: Date.now(), level: "info" as const, text: "x".repeat(LINE_LENGTH) };
const append = (count: number) =>
  broker.appendLogs([{ id, queue: "common", lines: Array.from({ length: count }, () => line) }]);

try {
  const message = JSON.stringify({ id, task_type: "noop" });
  await broker.enqueue([{ id, type: "noop", queue: "common", priority: 0, message, retentionMs: 3_600_000 }]);
  const [delivery] = await broker.claim(1, root.signal);
  assert.ok(delivery);
  await append(1_000);
  let lines = 0;
  const watching = Array.from({ length: WATCHERS }, async () => {
    for await (const { kind } of watchTask(broker, id, root)) if (kind === "log") lines++;
  });
  const ended = Promise.allSettled(watching);
  while (lines < WATCHERS * 1_000) await pause(50);
  const idle = await rateOf(`${WATCHERS} watches, nothing changes`, () => pause(SECONDS * 1_000));
  const grows = await rateOf(`${WATCHERS} watches, ${LINES_A_SECOND * LINE_LENGTH} new bytes a second`, async () => {
    for (let at = 0; at < SECONDS; at++) {
      await append(LINES_A_SECOND);
      await pause(1_000);
    }
  });
  while (lines < WATCHERS * (1_000 + SECONDS * LINES_A_SECOND)) await pause(50);
  root.cancel("it is measured");
  await ended;
  assert.ok(idle < MOST_IDLE, `${idle} bytes a second though nothing changes`);
  assert.ok(grows < MOST_IDLE + 3 * LINES_A_SECOND * LINE_LENGTH, `${grows} bytes a second`);
} finally {
  root.cancel("it is over");
  await broker.close();
  admin.disconnect();
  await server.stop();
}
