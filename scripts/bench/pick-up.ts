/**
 * How long a task waits when nothing else is there: from the call that enqueues it, in this process, to the first line
 * of its handler, in another. Tasks come at random gaps, so that no side's polling can be in step with them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runtime } from "../../src/runtime/index.ts";
import { median, percentile } from "./figures.ts";
import { bullmqPickUp, ourPickUp, type PickUpSide, sqliteUrl } from "./pick-up-sides.ts";
import { startRedis } from "./redis-server.ts";
import type { Check, Outcome, Row } from "./results.ts";
import { type Context, interleaved } from "./rounds.ts";
import { SCRIPT_RUNTIMES } from "./scripts.ts";
import { removeFolders, tempFolder } from "./temp-folders.ts";

const BENCH = "pick-up";
const WARM_UP = 5;
const GAP_MS = { least: 20, most: 60 };
const LOST_MS = 10_000;

const NOTES = [
  "pick-up: from before the enqueue call in one process to the handler's first line in another, both on " +
    "performance.timeOrigin + performance.now() (they agree to about 10 microseconds); random gaps of 20 to 60 ms; " +
    `the first ${WARM_UP} tasks of each process are left out. The value is the p50 over all rounds. Ours runs the ` +
    "handler in a runner (shared, the default) and in the executor itself (inline, as in earlier figures).",
];

export async function pickUp(context: Context): Promise<Outcome> {
  const server = await startRedis(context.redisDurability);
  const onDisk = "survives a power cut (synchronous FULL)";
  const apart = ourPickUp("Redis", "shared", server.durability, () => server.url(1));
  const redis = ourPickUp("Redis", "inline", server.durability, () => server.url(1));
  const sqliteApart = ourPickUp("SQLite, across processes", "shared", onDisk, sqliteUrl);
  const sqlite = ourPickUp("SQLite, across processes", "inline", onDisk, sqliteUrl);
  const count = Math.ceil((context.quick ? 60 : 300) / context.rounds);
  try {
    const sides = [apart, redis, sqliteApart, sqlite, ...SCRIPT_RUNTIMES.map((on) => bullmqPickUp(server, on))];
    const samples = await interleaved(sides, context.rounds, async (side, round) => {
      const latencies = await measure(side, count);
      context.progress(`${BENCH}: round ${round + 1}, ${side.name}: p50 ${median(latencies).toFixed(2)} ms`);
      return latencies;
    });
    const rows = [...samples].map(([side, rounds]) => row(side, rounds));
    const p50 = (side: PickUpSide) => rows.find(({ side: name }) => name === side.name)?.value ?? Number.NaN;
    return {
      rows,
      checks: [
        check("Redis, inline", p50(redis), 2),
        check("SQLite, across processes, inline", p50(sqlite), 30),
        check("Redis, what a warm runner adds", p50(apart) - p50(redis), 0.3),
      ],
      notes: NOTES,
    };
  } finally {
    await server.stop();
  }
}

async function measure(side: PickUpSide, count: number): Promise<number[]> {
  const folder = tempFolder();
  const times = join(folder, "times");
  const pickUp = await side.begin(folder, times);
  try {
    const sent = new Map<string, number>();
    for (let n = 0; n < count + WARM_UP; n++) {
      await runtime.sleep(GAP_MS.least + Math.random() * (GAP_MS.most - GAP_MS.least));
      const at = performance.timeOrigin + performance.now();
      sent.set(await pickUp.enqueue(), at);
    }
    const began = await allBegan(times, sent.size);
    return [...sent].slice(WARM_UP).map(([id, at]) => (began.get(id) ?? Number.NaN) - at);
  } finally {
    await pickUp.stop();
    removeFolders([folder]);
  }
}

/** Waits until so many tasks have begun, and gives when each did. */
export async function allBegan(file: string, count: number): Promise<Map<string, number>> {
  const deadline = performance.now() + LOST_MS;
  for (;;) {
    const told = readFileSync(file, { encoding: "utf8", flag: "a+" }).trimEnd();
    const lines = told === "" ? [] : told.split("\n");
    if (lines.length >= count) {
      return new Map(lines.map((line) => [line.split(" ")[0] ?? "", Number(line.split(" ")[1])]));
    }
    if (performance.now() > deadline) throw new Error(`${count} tasks were enqueued, ${lines.length} began`);
    await runtime.sleep(20);
  }
}

function row(side: PickUpSide, rounds: readonly (readonly number[])[]): Row {
  const all = rounds.flat();
  return {
    bench: BENCH,
    side: side.name,
    setting: "idle",
    durability: side.durability,
    value: percentile(all, 0.5),
    unit: "ms",
    rounds: rounds.map((latencies) => percentile(latencies, 0.5)),
    more: {
      p95_ms: percentile(all, 0.95),
      p99_ms: percentile(all, 0.99),
      most_ms: Math.max(...all),
      samples: all.length,
    },
  };
}

function check(where: string, p50: number, target: number): Check {
  return { bench: BENCH, what: `idle p50 on ${where}`, value: p50, unit: "ms", relation: "<", target, aim: null };
}
