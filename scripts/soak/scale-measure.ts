/**
 * What each call of a broker costs in a small and in a large one: the same calls in turn on both, their medians side by
 * side. Whatever else the machine does meets both alike.
 */
import type { Delivery } from "../../src/broker/broker.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { outcomeOf, requests, type Stage } from "./scale-stage.ts";

const BATCH = 100;
/** What one purge takes at the most. */
const MOST_PURGED = 1_000;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 3_600_000;

export interface Call {
  readonly name: string;
  /** Does what is needed beforehand, and gives the call itself: only that is timed. */
  prepare(stage: Stage): Promise<() => Promise<unknown>>;
  /** Puts back what the call has taken. */
  restore?(stage: Stage): Promise<void>;
}

export interface Comparison {
  readonly name: string;
  /** Medians, in ms. */
  readonly smallMs: number;
  readonly largeMs: number;
  /** 1.2: the large one takes 20 % longer. */
  readonly ratio: number;
}

const held = new WeakMap<Stage, readonly Delivery[]>();

async function endHeld(stage: Stage): Promise<void> {
  await stage.broker.complete((held.get(stage) ?? []).map((delivery) => outcomeOf(delivery, "done", 0)));
  held.delete(stage);
}

async function claimSome(stage: Stage): Promise<void> {
  held.set(stage, await stage.broker.claim(BATCH, openRoot().signal));
}

/** The calls that must not be slower in a large broker. Each leaves it as large as it was. */
export const CALLS: readonly Call[] = [
  {
    name: `enqueue ${BATCH}`,
    async prepare(stage) {
      const batch = requests(BATCH);
      return () => stage.broker.enqueue(batch);
    },
    async restore(stage) {
      await claimSome(stage);
      await endHeld(stage);
    },
  },
  {
    name: `claim ${BATCH}`,
    prepare: async (stage) => () => claimSome(stage),
    async restore(stage) {
      await endHeld(stage);
      await stage.broker.enqueue(requests(BATCH));
    },
  },
  {
    name: `complete ${BATCH}`,
    async prepare(stage) {
      await claimSome(stage);
      return () => endHeld(stage);
    },
    restore: async (stage) => void (await stage.broker.enqueue(requests(BATCH))),
  },
  { name: "counts", prepare: async (stage) => () => stage.broker.counts() },
  {
    name: "list 50 queued",
    prepare:
      async ({ broker }) =>
      () =>
        broker.list({ state: "queued", limit: 50 }),
  },
  {
    name: "list 50 scheduled",
    prepare:
      async ({ broker }) =>
      () =>
        broker.list({ state: "scheduled", limit: 50 }),
  },
  {
    name: "list 50 done",
    prepare:
      async ({ broker }) =>
      () =>
        broker.list({ state: "done", limit: 50 }),
  },
  { name: "promote, nothing due", prepare: async (stage) => () => stage.broker.promote(BATCH) },
  {
    name: "cancel one scheduled, purge it",
    async prepare(stage) {
      const [request] = requests(1, { delayMs: DAY_MS, retentionMs: MINUTE_MS });
      if (request === undefined) throw new RangeError("no request");
      await stage.broker.enqueue([request]);
      return async () => {
        await stage.broker.cancel([request.id]);
        await stage.broker.purge({ state: "cancelled" }, 1);
      };
    },
  },
];

/** The calls that are made to see how long they hold Redis, each with as much as it takes at once. */
export async function callWhatIsRare(stage: Stage, times: number): Promise<void> {
  const { broker } = stage;
  for (let time = 0; time < times; time++) {
    for (const delayMs of [DAY_MS, 1]) {
      const delayed = requests(BATCH, { delayMs, retentionMs: MINUTE_MS });
      await broker.enqueue(delayed);
      if (delayMs === 1) for (let promoted = 0; promoted < BATCH; ) promoted += (await broker.promote(BATCH)).promoted;
      await broker.cancel(delayed.map(({ id }) => id));
    }
    const { tasks: dead } = await broker.list({ state: "dead", limit: BATCH });
    await broker.retry(dead.map(({ id }) => id));
    await broker.purge({ state: "done" }, MOST_PURGED);
    await broker.purge({ state: "cancelled" }, MOST_PURGED);
    await broker.list({ limit: 1_000 });
    await broker.backlog();
    await broker.reclaim(BATCH);
    await broker.clean();
  }
}

/** Runs every call `runs` times on both, in turn. */
export async function compare(small: Stage, large: Stage, runs: number, calls = CALLS): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  for (const call of calls) {
    const times: [number[], number[]] = [[], []];
    for (let run = 0; run < runs; run++) {
      // Which one comes first changes, so that neither always finds the caches that the other has left.
      const order = run % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
      for (const which of order) times[which].push(await time(call, which === 0 ? small : large));
    }
    const [smallMs, largeMs] = [median(times[0]), median(times[1])];
    comparisons.push({ name: call.name, smallMs, largeMs, ratio: largeMs / smallMs });
  }
  return comparisons;
}

async function time(call: Call, stage: Stage): Promise<number> {
  const make = await call.prepare(stage);
  const begun = performance.now();
  await make();
  const tookMs = performance.now() - begun;
  await call.restore?.(stage);
  return tookMs;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
