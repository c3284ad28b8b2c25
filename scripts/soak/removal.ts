/**
 * Whether what is over goes as fast as it comes, by hand: `bun scripts/soak/removal.ts [SECONDS [RATE]]` over
 * dist/taskexe. Makes records of done tasks at that rate with a retention of 10 s, while one executor removes them; it
 * is away (SIGSTOP) for the middle fifth of the time. Fails where more than 15 s worth stand there, or more than were
 * made while it was away and 15 s after.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Redis } from "ioredis";
import { createBroker } from "../../src/broker/open-broker.ts";
import { openRoot, sleep } from "../../src/concurrency/index.ts";
import { formatMessage } from "../../src/task/message.ts";
import { startRedis } from "../../test/support/redis-server.ts";

const RETENTION_MS = 10_000;
const WORTH_S = 15;
const BATCH = 1_000;
const QUEUE = "common";
const [seconds, rate] = [Number(process.argv[2] ?? 60), Number(process.argv[3] ?? 20_000)];
const { signal } = openRoot();
const folder = await mkdtemp(join(tmpdir(), "taskexe-removal-"));
const server = await startRedis();
const redis = new Redis(server.url);
const broker = await createBroker(server.url, { executor: "maker", queues: [QUEUE], leaseMs: 60_000 });
await broker.open(signal);
const command = resolve(import.meta.dirname, "../../dist/taskexe");
const flags = ["--broker", server.url, "--queues", "common", "--listen", "off", "--concurrency", "1"];
// It serves another queue's tasks by no handler: whatever it claims of ours would die.
await broker.pause({ kind: "queue", name: QUEUE });
const executor = spawn(command, ["run", ...flags], {
  cwd: folder,
  stdio: "ignore",
  env: { ...process.env, STATE_DIRECTORY: folder, TASKEXE_DONE_LIMIT: "0" },
});

/** Records as a completion leaves them. */
async function make(from: number): Promise<void> {
  const pipeline = redis.pipeline();
  const [s, us] = await redis.time();
  const until = Number(s) * 1000 + Number(us) / 1000 + RETENTION_MS;
  for (let index = from; index < from + BATCH; index += 1) {
    const id = `made-${index}`;
    const message = formatMessage({ id, type: "noop", payload: null, options: {} });
    pipeline.hset(`taskexe:task:${id}`, { id, type: "noop", queue: QUEUE, priority: 0, state: "done", message });
    pipeline.zadd(`taskexe:done:${QUEUE}`, Math.round(until), id);
  }
  await pipeline.exec();
}

let [made, most, mostAway] = [0, 0, 0];
let worst = 0;
const began = performance.now();
const elapsed = (): number => (performance.now() - began) / 1000;
const [awayFrom, awayTo] = [seconds * 0.4, seconds * 0.6];
let isAway = false;
let backAt = Number.NEGATIVE_INFINITY;
let toldAt = 0;
await redis.config("SET", "slowlog-log-slower-than", "5000");
await redis.call("SLOWLOG", "RESET");
while (elapsed() < seconds) {
  if (!isAway && elapsed() > awayFrom && elapsed() < awayTo) {
    executor.kill("SIGSTOP");
    isAway = true;
  } else if (isAway && elapsed() > awayTo) {
    executor.kill("SIGCONT");
    isAway = false;
    backAt = elapsed();
  }
  if (made < elapsed() * rate) {
    await make(made);
    made += BATCH;
  } else await sleep(5, signal);
  const there = await redis.zcard(`taskexe:done:${QUEUE}`);
  const isOrdinary = !isAway && elapsed() > backAt + WORTH_S;
  if (isOrdinary || backAt < 0) most = isAway ? most : Math.max(most, there);
  else mostAway = Math.max(mostAway, there);
  if (isOrdinary) worst = Math.max(worst, there / Math.max(1, made / elapsed()));
  if (elapsed() > toldAt + 5) {
    toldAt = elapsed();
    process.stdout.write(`${toldAt.toFixed(0)} s: ${made} made, ${there} there${isAway ? ", nobody removes" : ""}\n`);
  }
}
const slow = await redis.call("SLOWLOG", "GET", 1000);
const steps = Array.isArray(slow) ? slow.filter((one) => String(one[3]?.[0]).startsWith("EVAL")).length : 0;
process.stdout.write(
  `${Math.round(made / seconds)} records/s; at the most ${most} there, ${worst.toFixed(1)} s worth ` +
    `(${mostAway} after ${(awayTo - awayFrom).toFixed(0)} s without a remover); ${steps} step(s) over 5 ms\n`,
);
const exited = once(executor, "exit");
executor.kill("SIGTERM");
await exited;
await broker.close();
redis.disconnect();
await server.stop();
await rm(folder, { recursive: true, force: true });
process.exit(worst > WORTH_S ? 1 : 0);
