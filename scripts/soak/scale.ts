/**
 * No slower with a million: `bun scripts/soak/scale.ts [--broker redis|sqlite] [--size N] [--runs N]` fills one broker
 * with N queued and N scheduled tasks and N/10 records, another with a thousand of each, and compares what calls cost.
 * Exits with 1 where one is more than 20 % slower, or holds Redis longer than 10 ms.
 */
import { parseArgs } from "node:util";
import { progressBar } from "../../src/cli/output/progress-bar.ts";
import { CALLS, type Call, type Comparison, callWhatIsRare, compare } from "./scale-measure.ts";
import { openStage, type SlowCommand, type Stage } from "./scale-stage.ts";

/** How much slower the large one may be. */
const MOST_RATIO = 1.2;
/** Below this difference, in ms, a ratio says nothing. */
const LEAST_MS = 0.03;
/** What looks slow is measured again, so often: what the machine did meanwhile does not look slow each time. */
const ROUNDS = 6;
/**
 * How often each of the rare calls is made, and how often a command may hold Redis for longer than 10 ms meanwhile: a
 * time or two it is the machine that had Redis wait.
 */
const RARE_CALLS = 20;
const MOST_OFTEN = 4;

export interface ScaleReport {
  readonly comparisons: readonly Comparison[];
  readonly slow: readonly SlowCommand[];
  readonly problems: readonly string[];
}

export interface ScaleOptions {
  readonly broker: "redis" | "sqlite";
  readonly sizes: { readonly queued: number; readonly scheduled: number; readonly records: number };
  readonly runs: number;
}

export async function scale(options: ScaleOptions, tell: (done: number) => void = () => {}): Promise<ScaleReport> {
  const small = await openStage(options.broker, { queued: 1_000, scheduled: 1_000, records: 1_000 });
  try {
    const large = await openStage(options.broker, options.sizes, tell);
    try {
      const comparisons = await measure(small, large, options.runs);
      await callWhatIsRare(large, RARE_CALLS);
      const slow = await large.slow();
      return { comparisons, slow, problems: [...comparisons.filter(isSlower).map(slower), ...tooSlow(slow)] };
    } finally {
      await large.end();
    }
  } finally {
    await small.end();
  }
}

async function measure(small: Stage, large: Stage, runs: number): Promise<Comparison[]> {
  const best = new Map<string, Comparison>();
  let calls: readonly Call[] = CALLS;
  for (let round = 0; round < ROUNDS && calls.length > 0; round++) {
    for (const comparison of await compare(small, large, runs, calls)) {
      const before = best.get(comparison.name);
      if (before === undefined || comparison.ratio < before.ratio) best.set(comparison.name, comparison);
    }
    calls = calls.filter(({ name }) => isSlower(best.get(name)));
  }
  return [...best.values()];
}

function isSlower(comparison: Comparison | undefined): boolean {
  if (comparison === undefined) return true;
  return comparison.ratio > MOST_RATIO && comparison.largeMs - comparison.smallMs > LEAST_MS;
}

function slower({ name, ratio }: Comparison): string {
  return `${name}: ${ratio.toFixed(2)} times as long as in the small one; at most ${MOST_RATIO}`;
}

function tooSlow(slow: readonly SlowCommand[]): string[] {
  return [...Map.groupBy(slow, ({ command }) => command)].flatMap(([command, all]) => {
    const longest = Math.max(...all.map(({ ms }) => ms));
    if (all.length <= MOST_OFTEN) return [];
    return [`held Redis ${all.length} times for more than 10 ms, ${longest.toFixed(1)} ms at the most: ${command}`];
  });
}

export function describe({ comparisons, slow, problems }: ScaleReport): string {
  const cells = [
    ["call", "small ms", "large ms", "ratio"],
    ...comparisons.map(({ name, smallMs, largeMs, ratio }) => {
      return [name, smallMs.toFixed(3), largeMs.toFixed(3), ratio.toFixed(2)];
    }),
  ];
  const table = cells.map(([name = "", ...rest]) => name.padEnd(32) + rest.map((cell) => cell.padStart(10)).join(""));
  const held = slow.map(({ command, ms }) => `over 10 ms: ${ms.toFixed(1)} ms, ${command}`);
  const verdict = problems.length === 0 ? "no slower" : `SLOWER:\n${problems.join("\n")}`;
  return [...table, "", ...held.slice(0, 20), verdict].join("\n");
}

if (import.meta.main) {
  const option = { type: "string" } as const;
  const { values } = parseArgs({ options: { broker: option, size: option, runs: option } });
  const [size, runs] = [Number(values.size ?? 1_000_000), Number(values.runs ?? 400)];
  const broker = values.broker ?? "redis";
  if ((broker !== "redis" && broker !== "sqlite") || !(size >= 1_000) || !(runs >= 10)) {
    process.stderr.write("scale: expected --broker redis or sqlite, --size from 1000, --runs from 10\n");
    process.exit(2);
  }
  const sizes = { queued: size, scheduled: size, records: size / 10 };
  const bar = progressBar("filling", 2.1 * size);
  const report = await scale({ broker, sizes, runs }, (done) => bar.update(done, `${done} tasks`));
  bar.end("filled");
  process.stdout.write(`${describe(report)}\n`);
  process.exitCode = report.problems.length === 0 ? 0 : 1;
}
