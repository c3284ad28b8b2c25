/**
 * Whether what is over goes as fast as it comes, by hand: `bun scripts/soak/removal.ts [SECONDS [RATE [redis|sqlite]]]`
 * over dist/taskexe. Makes records of done tasks at that rate with a retention of 10 s, while one executor removes
 * them; it is away (SIGSTOP) for two fifths of the time. Fails where more than 15 s worth stand there while it is up,
 * but for the time that it needs to catch up afterwards, which may be half of that for which it was away. Tells how
 * many steps held Redis for more than 5 ms, and which commands of others took as long: on a busy machine any may.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Redis } from "ioredis";
import { createBroker } from "../../src/broker/drivers.ts";
import { openRoot, sleep } from "../../src/concurrency/index.ts";
import { startRedis } from "../../test/stage/redis/server.ts";
import { type Maker, redisMaker, sqliteMaker } from "./removal-makers.ts";

const RETENTION_MS = 10_000;
const WORTH_S = 15;
const BATCH = 1_000;
const QUEUE = "common";
const [seconds, rate] = [Number(process.argv[2] ?? 60), Number(process.argv[3] ?? 20_000)];
const kind = process.argv[4] === "sqlite" ? "sqlite" : "redis";
const { signal } = openRoot();
const folder = await mkdtemp(join(tmpdir(), "taskexe-removal-"));
const server = kind === "redis" ? await startRedis() : null;
const url = server?.url ?? `sqlite:${join(folder, "tasks.db")}`;
const redis = server === null ? null : new Redis(server.url);
const broker = await createBroker(url, { executor: "maker", queues: [QUEUE], leaseMs: 60_000 });
await broker.open(signal);
const command = resolve(import.meta.dirname, "../../dist/taskexe");
const flags = ["--broker", url, "--queues", QUEUE, "--listen", "off", "--concurrency", "1"];
// It serves another queue's tasks by no handler: whatever it claims of ours would die.
await broker.pause({ kind: "queue", name: QUEUE });
const executor = spawn(command, ["run", ...flags], {
  cwd: folder,
  stdio: "ignore",
  env: { ...process.env, STATE_DIRECTORY: folder, TASKEXE_DONE_LIMIT: "0" },
});
const maker: Maker =
  redis === null ? sqliteMaker(join(folder, "tasks.db"), QUEUE, RETENTION_MS) : redisMaker(redis, QUEUE, RETENTION_MS);

let [made, worst, mostAway, caughtUp] = [0, 0, 0, 0];
const began = performance.now();
const elapsed = (): number => (performance.now() - began) / 1000;
const [awayFrom, awayTo] = [seconds * 0.2, seconds * 0.6];
const worth = rate * WORTH_S;
let isAway = false;
let toldAt = 0;
await redis?.config("SET", "slowlog-log-slower-than", "5000", "slowlog-max-len", "10000");
await redis?.call("SLOWLOG", "RESET");
while (elapsed() < seconds) {
  if (!isAway && elapsed() > awayFrom && elapsed() < awayTo) {
    executor.kill("SIGSTOP");
    isAway = true;
  } else if (isAway && elapsed() > awayTo) {
    executor.kill("SIGCONT");
    isAway = false;
  }
  if (made < elapsed() * rate) {
    await maker.make(made, BATCH);
    made += BATCH;
  } else await sleep(5, signal);
  const there = await maker.there();
  if (isAway || (elapsed() > awayTo && caughtUp === 0)) mostAway = Math.max(mostAway, there);
  else worst = Math.max(worst, there / rate);
  if (!isAway && elapsed() > awayTo && caughtUp === 0 && there < worth) caughtUp = elapsed() - awayTo;
  if (elapsed() > toldAt + 5) {
    toldAt = elapsed();
    process.stdout.write(`${toldAt.toFixed(0)} s: ${made} made, ${there} there${isAway ? ", nobody removes" : ""}\n`);
  }
}
const isCaughtUp = caughtUp > 0 && caughtUp < (awayTo - awayFrom) / 2;
process.stdout.write(
  `${kind}: ${Math.round(made / seconds)} records/s; never more than ${worst.toFixed(1)} s worth there; ` +
    `${mostAway} after ${(awayTo - awayFrom).toFixed(0)} s without a remover, ` +
    `${caughtUp === 0 ? "never caught up" : `caught up ${caughtUp.toFixed(0)} s later`}\n`,
);
if (redis !== null) {
  const slow = await redis.call("SLOWLOG", "GET", 10_000);
  const all: readonly (readonly unknown[])[] = Array.isArray(slow) ? slow : [];
  const steps = all.filter((one) => Array.isArray(one[3]) && String(one[3][0]).startsWith("EVAL"));
  const longest = Math.max(0, ...steps.map((one) => Number(one[2]) / 1000));
  const stats = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await redis.info("commandstats"));
  const mean = Number(stats?.[2]) / Number(stats?.[1]) / 1000;
  process.stdout.write(
    `${stats?.[1]} scripts of ${mean.toFixed(2)} ms; ${steps.length} over 5 ms, the longest ` +
      `${longest.toFixed(1)} ms; ` +
      `${all.length - steps.length} other commands over 5 ms\n`,
  );
}
if (executor.exitCode !== null) throw new Error(`the executor ended by itself, with ${executor.exitCode}`);
const exited = once(executor, "exit");
executor.kill("SIGTERM");
await exited;
await broker.close();
maker.close();
redis?.disconnect();
await server?.stop();
await rm(folder, { recursive: true, force: true });
process.exit(worst > WORTH_S || !isCaughtUp ? 1 : 0);
