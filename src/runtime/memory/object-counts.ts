/**
 * What grew on Bun: JavaScriptCore has no allocation sampler, so the live objects are counted twice: by their classes,
 * which only a heap snapshot tells (of what extends a Map or an Array only that), and by their types, of which every
 * class of users is "Object". It tells what piles up, not the code that made it. Both counts stop the world: types for
 * some 0.1 s, classes for some 5 s a million objects.
 */

import type { Growth } from "./allocations.ts";
import { jsc } from "./jsc.ts";

/**
 * With more live objects than these at the start and at the end, classes are not told apart: it would take too long.
 */
const MOST_OBJECTS = { atStart: 250_000, atEnd: 2_000_000 };

type Counts = Readonly<Record<string, number>>;

interface Live {
  readonly byType: Counts;
  /** Null where there are too many objects, or nothing to compare them with. */
  readonly byClass: Counts | null;
}

/** Counts now; resolves to what counts again and gives one row for each class or type of which there are more. */
export async function observeObjectCounts(most = MOST_OBJECTS): Promise<() => Promise<Growth[]>> {
  const before = liveObjects(most.atStart);
  return async () => grown(before, liveObjects(before.byClass === null ? 0 : most.atEnd));
}

function grown(before: Live, now: Live): Growth[] {
  if (before.byClass !== null && now.byClass !== null) {
    return rows({ ...before.byType, ...before.byClass }, { ...now.byType, ...now.byClass });
  }
  return rows(before.byType, now.byType).map((row) =>
    row.label === "Object" ? { ...row, label: "Object (too many live objects to tell their classes)" } : row,
  );
}

function rows(before: Counts, now: Counts): Growth[] {
  return Object.entries(now)
    .map(([label, count]) => ({ label, count: count - (before[label] ?? 0) }))
    .filter(({ count }) => count > 0);
}

function liveObjects(most: number): Live {
  // What is garbage already must not count as growth.
  Bun.gc(true);
  const { objectTypeCounts: byType, objectCount } = jsc().heapStats();
  return { byType, byClass: objectCount > most ? null : classes() };
}

/** The fields of a node: its id, its size, where the name of its class stands, flags. */
const NODE_FIELDS = 4;

function classes(): Counts {
  const { nodes, nodeClassNames: names } = Bun.generateHeapSnapshot();
  const counts = new Array<number>(names.length).fill(0);
  for (let at = 2; at < nodes.length; at += NODE_FIELDS) {
    const index = nodes[at] ?? 0;
    counts[index] = (counts[index] ?? 0) + 1;
  }
  // From entries, since a class may be named as what every object has.
  return Object.fromEntries(names.map((name, index) => [name, counts[index] ?? 0]));
}
