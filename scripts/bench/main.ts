/**
 * The benchmark suite: ours beside its rivals, in one run on one machine, with what each side promises.
 * The table goes to standard output, progress to standard error. Exit code 1 when a target was missed or a benchmark
 * failed.
 */
import { writeFileSync } from "node:fs";
import { runtime } from "../../src/runtime/index.ts";
import { bytesRedis } from "./bytes-redis.ts";
import { concurrencyCost } from "./concurrency-cost.ts";
import { consumeKept } from "./consume-kept.ts";
import { consumeRedis } from "./consume-redis.ts";
import { consumeSqlite } from "./consume-sqlite.ts";
import { enqueue } from "./enqueue.ts";
import { footprint } from "./footprint.ts";
import { hostile } from "./hostile.ts";
import { machine } from "./machine.ts";
import { readOptions } from "./options.ts";
import { pickUp } from "./pick-up.ts";
import { endAll } from "./processes.ts";
import { report } from "./report.ts";
import { holds, joined, type Outcome } from "./results.ts";
import type { Benchmark, Context } from "./rounds.ts";
import { runners } from "./runners.ts";
import { removeFolders } from "./temp-folders.ts";

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  "consume-redis": consumeRedis,
  "consume-kept": consumeKept,
  "consume-sqlite": consumeSqlite,
  runners,
  hostile,
  "pick-up": pickUp,
  enqueue,
  "bytes-redis": bytesRedis,
  footprint,
  concurrency: concurrencyCost,
};

process.exitCode = await main();

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), Object.keys(BENCHMARKS));
  if ("usage" in options) {
    process.stderr.write(options.usage);
    return 2;
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) runtime.onSignal(signal, leaveAtOnce);
  const context: Context = { ...options, progress: (line) => process.stderr.write(`${line}\n`) };
  const facts = machine();
  const chosen = Object.entries(BENCHMARKS).filter(
    ([name]) => options.only.length === 0 || options.only.includes(name),
  );
  const outcomes: Outcome[] = [];
  try {
    for (const [name, benchmark] of chosen) {
      context.progress(`${name} ...`);
      outcomes.push(await benchmark(context).catch((error: unknown) => failure(name, error)));
    }
  } finally {
    endAll();
    removeFolders();
  }
  const all = joined(outcomes);
  const settings = `${options.quick ? "QUICK RUN, not to be quoted; " : ""}rounds ${options.rounds}, interleaved`;
  process.stdout.write(report(facts, settings, all));
  if (options.json !== null)
    writeFileSync(options.json, `${JSON.stringify({ machine: facts, options, ...all }, null, 2)}\n`);
  return all.failures.length === 0 && all.checks.every(holds) ? 0 : 1;
}

/** One benchmark that fails must not cost the figures of the others. */
function failure(name: string, error: unknown): Outcome {
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${name} FAILED: ${reason}\n`);
  return { rows: [], checks: [], notes: [], failures: [`${name}: ${reason}`] };
}

function leaveAtOnce(): void {
  endAll();
  removeFolders();
  process.exit(130);
}
