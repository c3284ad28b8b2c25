/**
 * What structured concurrency costs: a nursery with one child, and a scope with a timeout, beside a bare await, and
 * beside Effection and Effect doing the same in the same run; then a cancel through 10 000 tasks.
 * Usage: `<bun|node|deno run -A> scripts/bench/concurrency.ts [--json]`. Exits with 1 where a target is missed.
 */

import { strict as assert } from "node:assert";
import { cpus } from "node:os";
import { Effect, Fiber } from "effect";
import { lift, sleep as pause, race, run, scoped, spawn, suspend, type Task } from "effection";
import { moveOnAfter, openRoot, sleepForever, withNursery } from "../../src/concurrency/index.ts";

const ROUNDS = 7;
const TASKS = 10_000;
const HOUR = 3_600_000;

let ran = 0;
const root = openRoot();
const work = async () => {
  ran++;
};

/** One way to do one thing `times` times, one after the other, within one entry into the library. */
interface Side {
  readonly name: string;
  /** How many times in a round: fewer for the slow, so that each takes its share of a second. */
  readonly times: number;
  run(times: number): Promise<unknown>;
}

const bare: Side = {
  name: "bare await",
  times: 200_000,
  run: async (times) => {
    for (let i = 0; i < times; i++) await work();
  },
};

const effectWork = Effect.sync(() => {
  ran++;
});
const effectChild = Effect.gen(function* () {
  const fiber = yield* Effect.forkChild(effectWork);
  yield* Fiber.join(fiber);
});
const effectTimeout = Effect.timeoutOption(effectWork, HOUR);

const effectionWork = lift(() => {
  ran++;
});
function* effectionChild() {
  const task = yield* spawn(effectionWork);
  yield* task;
}

function repeatEffect(effect: Effect.Effect<unknown>, times: number): Promise<void> {
  return Effect.runPromise(
    Effect.gen(function* () {
      for (let i = 0; i < times; i++) yield* effect;
    }),
  );
}

const comparisons: { readonly what: string; readonly sides: Side[] }[] = [
  {
    what: "nursery with one child",
    sides: [
      {
        name: "taskexe",
        times: 100_000,
        run: async (times) => {
          for (let i = 0; i < times; i++) await withNursery(root, async (nursery) => nursery.startSoon(work));
        },
      },
      { name: "Effect", times: 20_000, run: (times) => repeatEffect(effectChild, times) },
      {
        name: "Effection",
        times: 4_000,
        run: (times) =>
          run(function* () {
            for (let i = 0; i < times; i++) yield* scoped(effectionChild);
          }),
      },
    ],
  },
  {
    what: "scope with a timeout that is met",
    sides: [
      {
        name: "taskexe",
        times: 100_000,
        run: async (times) => {
          for (let i = 0; i < times; i++) await moveOnAfter(root, HOUR, work);
        },
      },
      { name: "Effect", times: 20_000, run: (times) => repeatEffect(effectTimeout, times) },
      {
        name: "Effection",
        times: 2_000,
        run: (times) =>
          run(function* () {
            for (let i = 0; i < times; i++) yield* race([effectionWork(), pause(HOUR)]);
          }),
      },
    ],
  },
];

/** Microseconds for one, the median of the rounds; the sides take turns, so that noise hits all of them. */
async function measure(sides: readonly Side[]): Promise<number[]> {
  const rounds = sides.map((): number[] => []);
  for (let round = -1; round < ROUNDS; round++) {
    for (const [i, side] of sides.entries()) {
      const before = ran;
      const begun = performance.now();
      await side.run(side.times);
      const micros = ((performance.now() - begun) * 1_000) / side.times;
      assert.equal(ran - before, side.times, `${side.name} did not do its work`);
      // The first round warms up.
      if (round >= 0) rounds[i]?.push(micros);
    }
  }
  return rounds.map(median);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const cancels: { readonly name: string; run(): Promise<number> }[] = [
  {
    name: "taskexe",
    run: async () => {
      let begun = 0;
      await withNursery(root, async (nursery) => {
        for (let i = 0; i < TASKS; i++) nursery.startSoon((task) => sleepForever(task.signal));
        await new Promise((resolve) => setTimeout(resolve, 5));
        begun = performance.now();
        nursery.scope.cancel();
      });
      return performance.now() - begun;
    },
  },
  {
    name: "Effect",
    run: async () => {
      let begun = 0;
      const never = Effect.forkChild(Effect.never);
      await Effect.runPromise(
        Effect.gen(function* () {
          const fibers: Fiber.Fiber<never>[] = [];
          for (let i = 0; i < TASKS; i++) fibers.push(yield* never);
          yield* Effect.sleep(5);
          begun = performance.now();
          yield* Fiber.interruptAll(fibers);
        }),
      );
      return performance.now() - begun;
    },
  },
  {
    name: "Effection",
    run: async () => {
      let begun = 0;
      await run(function* () {
        yield* scoped(function* () {
          const tasks: Task<void>[] = [];
          for (let i = 0; i < TASKS; i++) tasks.push(yield* spawn(suspend));
          yield* pause(5);
          begun = performance.now();
        });
      });
      return performance.now() - begun;
    },
  },
];

async function measureCancels(): Promise<number[]> {
  const rounds = cancels.map((): number[] => []);
  for (let round = -1; round < 5; round++) {
    for (const [i, side] of cancels.entries()) {
      const ms = await side.run();
      if (round >= 0) rounds[i]?.push(ms);
    }
  }
  return rounds.map(median);
}

interface Row {
  readonly what: string;
  readonly side: string;
  readonly value: number;
  readonly unit: "us" | "ms";
  /** How many times as long as ours it took. */
  readonly ratio: number;
}

function toRows(what: string, unit: Row["unit"], names: readonly string[], values: readonly number[]): Row[] {
  const ours = values[names.indexOf("taskexe")] ?? Number.NaN;
  return names.map((side, i) => {
    const value = values[i] ?? Number.NaN;
    return { what, side, value, unit, ratio: value / ours };
  });
}

const rows: Row[] = [];
for (const { what, sides } of comparisons) {
  const all = [bare, ...sides];
  rows.push(
    ...toRows(
      what,
      "us",
      all.map(({ name }) => name),
      await measure(all),
    ),
  );
}
rows.push(
  ...toRows(
    `cancel through ${TASKS} waiting tasks`,
    "ms",
    cancels.map(({ name }) => name),
    await measureCancels(),
  ),
);

const [perNursery, perScope, perCancel] = rows.filter(({ side }) => side === "taskexe").map(({ value }) => value);
const slowestRatio = Math.min(
  ...rows.filter(({ side, unit }) => unit === "us" && side.startsWith("Effect")).map((row) => row.ratio),
);
const checks = [
  {
    what: "nursery with one child, us",
    value: perNursery ?? Number.NaN,
    target: "<= 3",
    isMet: (perNursery ?? 9) <= 3,
  },
  { what: "scope with a timeout, us", value: perScope ?? Number.NaN, target: "<= 3", isMet: (perScope ?? 9) <= 3 },
  { what: "the faster rival / ours, the least", value: slowestRatio, target: "> 1", isMet: slowestRatio > 1 },
  {
    what: `cancel through ${TASKS}, ms`,
    value: perCancel ?? Number.NaN,
    target: "< 50",
    isMet: (perCancel ?? 99) < 50,
  },
];

const { bun, deno, v8, node } = process.versions;
const runtime =
  bun !== undefined ? `Bun ${bun}` : deno !== undefined ? `Deno ${deno}, V8 ${v8}` : `Node ${node}, V8 ${v8}`;
const machine = `${cpus().length} x ${cpus()[0]?.model ?? "unknown processor"}, ${process.platform} ${process.arch}`;
const settings = `median of ${ROUNDS} rounds after a warm-up, the sides in turn; Effect and Effection within one run()`;

if (process.argv.includes("--json")) {
  console.log(JSON.stringify({ runtime, machine, settings, rows, checks }, undefined, 2));
} else {
  console.log(`${runtime} on ${machine}\n${settings}\n`);
  for (const { what, side, value, unit, ratio } of rows) {
    console.log(
      `${what.padEnd(36)} ${side.padEnd(12)} ${value.toFixed(3).padStart(10)} ${unit}  ${ratio.toFixed(2)} x`,
    );
  }
  console.log();
  for (const { what, value, target, isMet } of checks) {
    console.log(`${isMet ? "met   " : "MISSED"}  ${what.padEnd(36)} ${value.toFixed(2).padStart(8)}  (${target})`);
  }
}
if (checks.some(({ isMet }) => !isMet)) process.exitCode = 1;
