/**
 * What grew on Bun: JavaScriptCore has no allocation sampler, so the live objects of each type are counted twice.
 * It tells the types that pile up, not the code that made them. Each count walks the whole heap.
 */

import type { Growth } from "./allocations.ts";
import { jsc } from "./jsc.ts";

/** Counts now; resolves to what counts again and gives one row for each type of which there are more. */
export async function observeObjectCounts(): Promise<() => Promise<Growth[]>> {
  const before = liveObjects();
  return async () =>
    Object.entries(liveObjects())
      .map(([label, count]) => ({ label, count: count - (before[label] ?? 0) }))
      .filter(({ count }) => count > 0);
}

function liveObjects(): Record<string, number> {
  // What is garbage already must not count as growth.
  Bun.gc(true);
  return jsc().heapStats().objectTypeCounts;
}
