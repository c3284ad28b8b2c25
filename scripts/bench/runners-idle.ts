/** What a runner costs where little is to be done: its memory, and how soon after the start it runs a task. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runtime } from "../../src/runtime/index.ts";
import { median, percentile } from "./figures.ts";
import { openClient, request } from "./ours/client.ts";
import { firstAnswer } from "./ours/http.ts";
import { program, startExecutor } from "./ours/program.ts";
import { allBegan } from "./pick-up.ts";
import { memoryOf } from "./proc.ts";
import { freePort, type RedisServer } from "./redis-server.ts";
import type { Check, Outcome, Row } from "./results.ts";
import type { Context } from "./rounds.ts";
import { script } from "./scripts.ts";
import { inFolder } from "./temp-folders.ts";

const BENCH = "runners";
const READY_MS = 20_000;
const IDLE_MS = 3_000;

const NOTES = [
  `runners: memory is VmRSS of the executor and all its children, summed, ${IDLE_MS / 1000} s after it was ready: ` +
    "pages that they share count each time. Start to first task is from spawning the executor to the first line of " +
    "a handler whose task waited. What a warm runner adds to the pick-up is told by pick-up.",
];

export async function idleRunners(context: Context, server: RedisServer): Promise<Outcome> {
  const rows: Row[] = [];
  const starts: number[] = [];
  for (let n = 0; n < (context.quick ? 3 : 15); n++) starts.push(await inFolder((folder) => firstTask(server, folder)));
  const memory = await inFolder((folder) => idleMemory(server, folder));
  const name = `taskexe (${program().label}), shared`;
  rows.push(
    row(server, name, "start to first task", median(starts), "ms", starts, { p95_ms: percentile(starts, 0.95) }),
  );
  rows.push(row(server, name, "idle RSS, summed", sum(memory), "MB", [], { executor_mb: memory[0] ?? Number.NaN }));
  context.progress(`${BENCH}: idle: ${sum(memory).toFixed(0)} MB, ${median(starts).toFixed(0)} ms to the first task`);
  const checks = [
    below("executor and one runner, idle RSS summed", sum(memory), "MB", 130),
    below("start to first task", median(starts), "ms", 250),
  ];
  return { rows, checks, notes: NOTES };
}

async function firstTask(server: RedisServer, folder: string): Promise<number> {
  const broker = server.url(1);
  const client = await openClient(broker);
  await client.enqueue([request("pick-up")]);
  await client.close();
  const times = join(folder, "times");
  const spawnedAt = performance.timeOrigin + performance.now();
  const executor = await startExecutor({
    ...{ broker, concurrency: 5, home: folder, httpPort: await freePort() },
    tasks: script("ours/pick-up-task.ts"),
    flags: { "--isolation": "shared" },
    extraEnvironment: { BENCH_TIMES: times },
  });
  try {
    const [began] = (await allBegan(times, 1)).values();
    return (began ?? Number.NaN) - spawnedAt;
  } finally {
    await executor.stop();
  }
}

/** Of the executor, and of each of its children, in MB. */
async function idleMemory(server: RedisServer, folder: string): Promise<number[]> {
  const httpPort = await freePort();
  const executor = await startExecutor({
    ...{ broker: server.url(1), concurrency: 100, home: folder, httpPort },
    tasks: script("ours/user-noop.ts"),
    flags: { "--isolation": "shared" },
  });
  try {
    await firstAnswer(httpPort, "/readyz", READY_MS);
    await runtime.sleep(IDLE_MS);
    const children = readFileSync(`/proc/${executor.pid}/task/${executor.pid}/children`, "latin1").trim().split(" ");
    return [executor.pid, ...children.map(Number)].map((pid) => memoryOf(pid).rssBytes / 1e6);
  } finally {
    await executor.stop();
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

function row(
  { durability }: RedisServer,
  side: string,
  setting: string,
  value: number,
  unit: string,
  rounds: readonly number[],
  more: Row["more"],
): Row {
  return { bench: BENCH, side, setting, durability, value, unit, rounds, more };
}

function below(what: string, value: number, unit: string, target: number): Check {
  return { bench: BENCH, what, value, unit, relation: "<", target, aim: null };
}
