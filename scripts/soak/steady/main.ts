/**
 * Nothing grows: `bun scripts/soak/main.ts --hour` puts 5 000 mixed tasks a second for an hour over Redis, then for an
 * hour over SQLite, and exits with 1 where the memory of Redis, the file, or the memory or descriptors of an executor
 * grow after the first ten minutes, where the rate was not held, or where something is left that docs/bounds.md does
 * not explain. `--minutes N --rate N [--warm-up MINUTES] [--broker redis|sqlite|both] [--seed N]` for shorter ones.
 */
import { parseArgs } from "node:util";
import { progressBar } from "../../../src/cli/output/progress-bar.ts";
import { describeAccount } from "../account/account.ts";
import { describeSeries } from "./series.ts";
import { type SteadyOptions, type SteadyReport, steady } from "./steady.ts";

const HOUR_MINUTES = 60;
const RATE = 5_000;
const WARM_UP_MINUTES = 10;
/** In a shorter one so much of the time is for warming up. */
const WARM_UP_PART = 1 / 3;

/** Whether the arguments ask for the long soak. */
export function isSteady(args: readonly string[]): boolean {
  return args.some((arg) => /^--(hour|rate|warm-up)\b/.test(arg));
}

/** One for each broker. @throws Error that says which argument is wrong. */
export function readSteadyOptions(args: readonly string[]): SteadyOptions[] {
  const option = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ hour: { type: "boolean" }, minutes: option, rate: option },
      ...{ "warm-up": option, broker: option, seed: option },
    },
  });
  if (values.hour && values.minutes !== undefined) throw new Error("--hour and --minutes cannot be given together");
  const number = (name: "minutes" | "rate" | "warm-up" | "seed", otherwise: number, least: number): number => {
    const value = Number(values[name] ?? otherwise);
    if (Number.isFinite(value) && value >= least) return value;
    throw new Error(`--${name} must be a number from ${least}, got ${values[name]}`);
  };
  const { broker = "both" } = values;
  if (broker !== "redis" && broker !== "sqlite" && broker !== "both") {
    throw new Error(`--broker must be redis, sqlite or both, got ${broker}`);
  }
  const minutes = number("minutes", HOUR_MINUTES, 0.5);
  const warmUp = number("warm-up", Math.min(WARM_UP_MINUTES, minutes * WARM_UP_PART), 0);
  if (warmUp > minutes - 0.25) throw new Error(`--warm-up ${warmUp} leaves nothing of ${minutes} minutes to look at`);
  const common = { rate: Math.round(number("rate", RATE, 1)), seconds: minutes * 60, warmUpSeconds: warmUp * 60 };
  const seed = Math.round(number("seed", Date.now() % 1_000_000, 0));
  const brokers = broker === "both" ? (["redis", "sqlite"] as const) : ([broker] as const);
  return brokers.map((one) => ({ ...common, broker: one, seed }));
}

/** @returns the exit code: 0 flat, 1 not, 2 for arguments that cannot be. */
export async function mainOfSteady(args: readonly string[]): Promise<number> {
  let all: SteadyOptions[];
  try {
    all = readSteadyOptions(args);
  } catch (error) {
    process.stderr.write(`soak: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  let isFlat = true;
  for (const options of all) {
    const { broker, rate, seconds, seed } = options;
    process.stdout.write(`soaking over ${broker} for ${seconds} s at ${rate} tasks a second with --seed ${seed}\n`);
    const bar = progressBar("soaking", seconds);
    const report = await steady(options, (done, text) => bar.update(done, text));
    bar.end("over");
    process.stdout.write(`${describeSteady(report)}\n\n`);
    isFlat &&= report.problems.length === 0;
  }
  return isFlat ? 0 : 1;
}

/** The tables of one run, and what is wrong. */
export function describeSteady({ options, enqueued, ended, rate, judged, account, problems }: SteadyReport): string {
  const { broker, seconds, warmUpSeconds, seed } = options;
  const number = (value: number): string => Math.round(value).toLocaleString("en");
  return [
    `${broker}: ${seconds} s at ${number(options.rate)} tasks a second, the first ${warmUpSeconds} s to warm up, ` +
      `--seed ${seed}`,
    `${number(enqueued)} enqueued, ${number(ended)} ended by the executors, ${number(rate)} a second after the warm-up`,
    "",
    describeSeries(judged),
    "",
    describeAccount(account),
    "",
    ...problems,
    problems.length === 0 ? `${broker}: flat` : `${broker}: NOT FLAT: ${problems.length} problems`,
  ].join("\n");
}
