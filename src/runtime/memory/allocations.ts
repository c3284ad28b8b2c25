/**
 * The frame of allocation tracking: on or off, the peak while on, the report at the end.
 * What can be told about the growth differs: object-counts.ts does it for Bun, call-sites.ts for Node and Deno.
 */

import type { AllocationReport, AllocationTracking } from "../runtime.ts";

/** How often the heap is looked at for its peak: seldom enough to cost nothing. */
const PEAK_INTERVAL_MS = 1000;

const MOST_ROWS = 20;

/** One row of a report before it is sorted and cut. */
export type Growth = AllocationReport["grown"][number];

/** Begins to observe; resolves to what ends the observation and tells what grew since, in any order. */
export type Observe = () => Promise<() => Promise<Growth[]>>;

/** Tracking over `observe`, with the size of the heap in bytes from `heapBytes`. */
export function trackAllocations(heapBytes: () => number, observe: Observe): AllocationTracking {
  let running: Promise<Run> | null = null;
  // V8 has one sampler for the whole process: a new run waits until the one before has ended.
  let ended: Promise<unknown> = Promise.resolve();
  let peakBytes = 0;

  const look = () => {
    const currentBytes = heapBytes();
    peakBytes = Math.max(peakBytes, currentBytes);
    return { currentBytes, peakBytes };
  };

  const begin = async (): Promise<Run> => {
    await ended;
    const finish = await observe();
    peakBytes = 0;
    look();
    // Through node:timers, since the global setInterval of Deno gives a number.
    const timer = process.getBuiltinModule("node:timers").setInterval(look, PEAK_INTERVAL_MS);
    timer.unref();
    return { finish, stopLooking: () => clearInterval(timer) };
  };

  const end = async (run: Promise<Run>): Promise<AllocationReport> => {
    const { finish, stopLooking } = await run;
    stopLooking();
    look();
    const grown = await finish();
    return { ...look(), grown: grown.sort(largestFirst).slice(0, MOST_ROWS) };
  };

  return {
    get active() {
      return running !== null;
    },
    async start() {
      const mine = running ?? begin();
      running = mine;
      try {
        await mine;
      } catch (error) {
        if (running === mine) running = null;
        throw error;
      }
    },
    figures() {
      if (running !== null) return look();
      const currentBytes = heapBytes();
      return { currentBytes, peakBytes: currentBytes };
    },
    async stop() {
      if (running === null) return null;
      const report = end(running);
      running = null;
      ended = report.catch(() => {});
      return await report;
    },
  };
}

interface Run {
  readonly finish: () => Promise<Growth[]>;
  readonly stopLooking: () => void;
}

function largestFirst(a: Growth, b: Growth): number {
  return (b.bytes ?? 0) - (a.bytes ?? 0) || (b.count ?? 0) - (a.count ?? 0);
}
