/** What an executor costs when it does nothing, and how long its users wait for it: memory, start, version. */
import { execFileSync } from "node:child_process";
import { runtime } from "../../src/runtime/index.ts";
import { median, percentile } from "./figures.ts";
import { fill, openClient } from "./ours/client.ts";
import { firstAnswer, told } from "./ours/http.ts";
import { environment, program, startExecutor } from "./ours/program.ts";
import { sqliteUrl } from "./pick-up-sides.ts";
import { cpuMs, memoryOf } from "./proc.ts";
import { freePort, startRedis } from "./redis-server.ts";
import type { Check, Outcome, Row } from "./results.ts";
import type { Context } from "./rounds.ts";
import { inFolder } from "./temp-folders.ts";

const BENCH = "footprint";
const READY_MS = 20_000;
const IDLE_MS = 3_000;

const NOTES = [
  `footprint: memory is VmRSS ${IDLE_MS / 1000} s after the executor was ready, and again that long after it ` +
    "emptied a " +
    "queue of no-op tasks at concurrency 100; idle CPU is of those first seconds. The start is from spawning " +
    "the process " +
    "to the first 200 of /healthz, and of /readyz (the broker is reached, tasks are claimed), asked every " +
    "millisecond. " +
    "version is from before the spawn to after the exit of `taskexe version`.",
];

export async function footprint(context: Context): Promise<Outcome> {
  const server = await startRedis(context.redisDurability);
  const places = [
    { name: "Redis", durability: server.durability, url: () => server.url(1) },
    { name: "SQLite", durability: "survives a power cut (synchronous FULL)", url: sqliteUrl },
  ];
  const rows: Row[] = [];
  const checks: Check[] = [];
  try {
    for (const place of places) {
      const tried = await inFolder((folder) => memoryRow(place, folder, context.quick ? 20_000 : 200_000));
      const started = await startRow(place, context.quick ? 3 : 15);
      context.progress(`${BENCH}: ${place.name}: ${tried.value.toFixed(0)} MB, ${started.value.toFixed(0)} ms`);
      rows.push(tried, started);
      checks.push(below(`idle RSS on ${place.name}`, tried.value, "MB", 80));
      checks.push(below(`start to first 200 on ${place.name}`, started.value, "ms", 150));
    }
    const version = await inFolder(async (folder) => versionRow(folder, context.quick ? 10 : 40));
    return {
      rows: [...rows, version],
      checks: [...checks, below("taskexe version", version.value, "ms", 20)],
      notes: NOTES,
    };
  } finally {
    await server.stop();
  }
}

interface Place {
  readonly name: string;
  readonly durability: string;
  url(folder: string): string;
}

async function memoryRow(place: Place, folder: string, tasks: number): Promise<Row> {
  const httpPort = await freePort();
  const executor = await startExecutor({ broker: place.url(folder), concurrency: 100, home: folder, httpPort });
  try {
    await firstAnswer(httpPort, "/readyz", READY_MS);
    const cpu = cpuMs(executor.pid);
    await runtime.sleep(IDLE_MS);
    const idleCpu = (cpuMs(executor.pid) - cpu) / IDLE_MS;
    const idle = memoryOf(executor.pid);
    const client = await openClient(place.url(folder));
    await fill(client, tasks);
    await client.close();
    while ((await told(httpPort)).done < tasks) await runtime.sleep(50);
    await runtime.sleep(IDLE_MS);
    const after = memoryOf(executor.pid);
    const more = {
      after_mb: after.rssBytes / 1e6,
      peak_mb: after.peakBytes / 1e6,
      after_tasks: tasks,
      idle_cpu_percent: idleCpu * 100,
    };
    return row(place, "idle RSS", idle.rssBytes / 1e6, "MB", [], more);
  } finally {
    await executor.stop();
  }
}

async function startRow(place: Place, times: number): Promise<Row> {
  const alive: number[] = [];
  const ready: number[] = [];
  for (let n = 0; n < times; n++) {
    await inFolder(async (folder) => {
      const httpPort = await freePort();
      const began = performance.now();
      const executor = await startExecutor({ broker: place.url(folder), concurrency: 5, home: folder, httpPort });
      try {
        alive.push((await firstAnswer(httpPort, "/healthz", READY_MS)) - began);
        ready.push((await firstAnswer(httpPort, "/readyz", READY_MS)) - began);
      } finally {
        await executor.stop();
      }
    });
  }
  const more = { p95_ms: percentile(alive, 0.95), ready_p50_ms: median(ready) };
  return row(place, "start to first 200", median(alive), "ms", alive, more);
}

function versionRow(folder: string, times: number): Row {
  const { command, args } = program();
  const took = Array.from({ length: times }, () => {
    const began = performance.now();
    execFileSync(command, [...args, "version"], { env: environment(folder), cwd: folder });
    return performance.now() - began;
  });
  const nowhere = { name: "no broker", durability: "", url: () => "" };
  return row(nowhere, "version", median(took), "ms", took, { p95_ms: percentile(took, 0.95) });
}

function row(
  place: Place,
  setting: string,
  value: number,
  unit: string,
  rounds: readonly number[],
  more: Row["more"],
): Row {
  const side = `taskexe on ${place.name} (${program().label})`;
  return { bench: BENCH, side, setting, durability: place.durability, value, unit, rounds, more };
}

function below(what: string, value: number, unit: string, target: number): Check {
  return { bench: BENCH, what, value, unit, relation: "<", target, aim: null };
}
