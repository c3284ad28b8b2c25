/** Runs the sides of a comparison over the concurrencies, in interleaved rounds, and makes its rows. */
import { type Context, interleaved } from "./bench.ts";
import { type Drained, timeDrain } from "./drain.ts";
import { median } from "./figures.ts";
import type { Row } from "./results.ts";
import type { ConsumeSide } from "./sides.ts";

const LIMIT_MS = 180_000;

/** One side at one concurrency. */
export interface Case {
  readonly side: ConsumeSide;
  readonly concurrency: number;
  /** How the table calls it; default: the concurrency. */
  readonly setting?: string;
}

interface Sample extends Drained {
  readonly tasks: number;
}

/** `others` are processes whose CPU time is told beside the consumer's, by name. */
export async function consumeRows(
  bench: string,
  context: Context,
  cases: readonly Case[],
  others: Readonly<Record<string, number>> = {},
): Promise<Row[]> {
  const samples = await interleaved(cases, context.rounds, async (one, round) => {
    const { side, concurrency } = one;
    const sample = await measure(side, concurrency, context.quick, others);
    const rate = Math.round(sample.tasks / sample.seconds).toLocaleString("en");
    context.progress(`${bench}: round ${round + 1}, ${settingOf(one)}, ${side.name}: ${rate} tasks/s`);
    return sample;
  });
  return [...samples].map(([one, rounds]) => row(bench, one, rounds));
}

function settingOf({ concurrency, setting }: Case): string {
  return setting ?? `concurrency ${concurrency}`;
}

async function measure(
  side: ConsumeSide,
  concurrency: number,
  quick: boolean,
  others: Readonly<Record<string, number>>,
): Promise<Sample> {
  const tasks = side.tasks(concurrency, quick);
  await side.fill(tasks);
  const consumer = await side.consume(concurrency, tasks);
  try {
    const drained = await timeDrain(() => side.look(tasks), consumer, others, LIMIT_MS);
    await side.verify(tasks);
    return { tasks, ...drained };
  } finally {
    await consumer.stop();
  }
}

function row(bench: string, one: Case, samples: readonly Sample[]): Row {
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
      ...Object.fromEntries(cpu),
      rss_mb: median(samples.map(({ rssBytes }) => rssBytes / 1e6)),
    },
  };
}
