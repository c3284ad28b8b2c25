/**
 * Nothing lost, whatever is killed: `bun scripts/soak/main.ts [--tasks N] [--minutes M] [--seed S] [--broker
 * redis|sqlite]` prints a table and exits with 1 where a task was lost, ended twice, or ended in another way than it
 * must, or where a key, row or file is left that docs/bounds.md does not explain. `--minutes` bounds the time: on a
 * machine that is too slow for all of them, fewer tasks are enqueued. With `--hour` or `--rate` it is the long soak at
 * a steady rate: steady/main.ts.
 */
import { parseArgs } from "node:util";
import { progressBar } from "../../src/cli/output/progress-bar.ts";
import { describeAccount } from "./account/account.ts";
import { KINDS } from "./kinds.ts";
import { problemsOf, type SoakOptions, type SoakReport, soak } from "./soak.ts";
import { isSteady, mainOfSteady } from "./steady/main.ts";

const ENDS = ["done", "dead", "cancelled", "lost"] as const;
/** How many problems are shown. */
const MOST_SHOWN = 20;

/** @throws Error that says which argument is wrong. */
export function readOptions(args: readonly string[]): SoakOptions {
  const option = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: { tasks: option, minutes: option, seed: option, broker: option },
  });
  const number = (name: "tasks" | "minutes" | "seed", otherwise: number, least: number): number => {
    const value = Number(values[name] ?? otherwise);
    if (!Number.isFinite(value) || value < least) {
      throw new Error(`--${name} must be a number from ${least}, got ${values[name]}`);
    }
    return value;
  };
  const broker = values.broker ?? "redis";
  if (broker !== "redis" && broker !== "sqlite") throw new Error(`--broker must be redis or sqlite, got ${broker}`);
  return {
    tasks: Math.round(number("tasks", 100_000, 1)),
    minutes: number("minutes", 10, 0.1),
    seed: Math.round(number("seed", Date.now() % 1_000_000, 0)),
    broker,
  };
}

/** The report as a table and what is wrong. */
export function describe(options: SoakOptions, report: SoakReport): string {
  const { fed, verdict, seconds } = report;
  const problems = problemsOf(report);
  const head = ["kind", "tasks", "attempts", ...ENDS];
  const rows = KINDS.map((kind) => {
    const ends = ENDS.map((end) => verdict.ended.get(`${kind} ${end}`) ?? 0);
    return [kind, ends.reduce((sum, n) => sum + n, 0), verdict.begins.get(kind) ?? 0, ...ends];
  });
  const table = [head, ...rows].map(([first, ...rest]) => {
    return String(first).padEnd(14) + rest.map((cell) => String(cell).padStart(11)).join("");
  });
  const { tasks, repeated, cancels } = fed;
  const lines = [
    ...table,
    "",
    `broker ${options.broker}, seed ${options.seed}: ${tasks.length} of ${options.tasks} tasks enqueued, ` +
      `${cancels.size} cancels sent`,
    `${verdict.attempts} attempts in ${seconds.toFixed(1)} s: ${Math.round(tasks.length / seconds)} tasks/s`,
    `executors: ${report.starts} starts (${report.sameName} under the same name), ${report.deaths} deaths: ` +
      `${report.killedExecutors} killed from outside, the others by ${verdict.kills} kills of tasks`,
    `Redis: ${report.killedRedis} times killed and restarted, ${repeated} calls of the producer made again`,
    ...(report.clockStepMs > 0
      ? [`this machine's clock was stepped by up to ${Math.round(report.clockStepMs)} ms`]
      : []),
    `${verdict.ranTwice} tasks did their work more than once, since their executor was killed before it was recorded`,
    ...verdict.problems.slice(0, MOST_SHOWN),
    "",
    describeAccount(report.account),
    problems.length === 0
      ? "sound: each task ended exactly once, none is lost, and nothing is left behind that is not explained"
      : `NOT SOUND: ${problems.length} problems; logs and ledger are in ${report.folder}`,
  ];
  return lines.join("\n");
}

if (import.meta.main) {
  const args = process.argv.slice(2);
  process.exitCode = isSteady(args) ? await mainOfSteady(args) : await main(args);
}

async function main(args: readonly string[]): Promise<number> {
  let options: SoakOptions;
  try {
    options = readOptions(args);
  } catch (error) {
    process.stderr.write(`soak: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  process.stdout.write(`soaking over ${options.broker} with --seed ${options.seed}\n`);
  const bar = progressBar("soaking", options.tasks);
  const report = await soak(options, (done, text) => bar.update(done, text));
  bar.end("over");
  process.stdout.write(`${describe(options, report)}\n`);
  return problemsOf(report).length === 0 ? 0 : 1;
}
