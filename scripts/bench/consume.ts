/** Runs the sides of a comparison over the concurrencies, in interleaved rounds, and makes its rows. */

import { median } from "./figures.ts";
import type { Row } from "./results.ts";
import { type Context, interleaved } from "./rounds.ts";
import type { ConsumeSample, ConsumeSide } from "./sides.ts";

/** One side at one concurrency. */
export interface Case {
  readonly side: ConsumeSide;
  readonly concurrency: number;
  /** How the table calls it; default: the concurrency. */
  readonly setting?: string;
}

/** Measures all cases in interleaved rounds. */
export async function consumeRows(bench: string, context: Context, cases: readonly Case[]): Promise<Row[]> {
  const samples = await interleaved(cases, context.rounds, async (one, round) => {
    const { side, concurrency } = one;
    const sample = await side.measure(concurrency, context.quick);
    const rate = Math.round(sample.tasks / sample.seconds).toLocaleString("en");
    context.progress(`${bench}: round ${round + 1}, ${settingOf(one)}, ${side.name}: ${rate} tasks/s`);
    return sample;
  });
  return [...samples].map(([one, rounds]) => row(bench, one, rounds));
}

function settingOf({ concurrency, setting }: Case): string {
  return setting ?? `concurrency ${concurrency}`;
}

function row(bench: string, one: Case, samples: readonly ConsumeSample[]): Row {
  const perTask = (name: string) => median(samples.map(({ cpuMs, tasks }) => ((cpuMs[name] ?? 0) * 1000) / tasks));
  const cpu = Object.keys(samples[0]?.cpuMs ?? {}).map((name) => [`${name}_cpu_us_per_task`, perTask(name)]);
  const rounds = samples.map(({ tasks, seconds }) => tasks / seconds);
  return {
    bench,
    side: one.side.name,
    setting: settingOf(one),
    durability: one.side.durability,
    value: median(rounds),
    unit: "tasks/s",
    rounds,
    more: {
      tasks: samples[0]?.tasks ?? 0,
      seconds: median(samples.map(({ seconds }) => seconds)),
      from_start: Math.round(median(samples.map(({ coldRate }) => coldRate))),
      ...Object.fromEntries(cpu),
      rss_mb: median(samples.map(({ rssBytes }) => rssBytes / 1e6)),
    },
  };
}
