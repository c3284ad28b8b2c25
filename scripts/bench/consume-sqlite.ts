/**
 * Who empties a full embedded queue faster: ours on a file, synced at each commit, and bunqueue, on a file that is not,
 * and in memory.
 */

import { consumeRows } from "./consume.ts";
import { WARM_UP } from "./drain.ts";
import { ourSqliteSide } from "./ours/sqlite-side.ts";
import type { Check, Outcome, Row } from "./results.ts";
import { bunqueueSide } from "./rivals/bunqueue.ts";
import type { Context } from "./rounds.ts";
import { watched } from "./watched.ts";

const BENCH = "consume-sqlite";
const CONCURRENCIES = [1, 10, 100];

const NOTES = [
  "consume-sqlite: taskexe is filled and watched by a second process (every 10 ms) and syncs the file at " +
    "each commit; bunqueue runs as it is meant to, embedded in one process that times itself, and does not " +
    "wait for its " +
    `disk. The clock starts when the first ${WARM_UP * 100} % of the tasks are done, as in consume-redis.`,
  "bunqueue: Worker with batchSize = concurrency (at least its default 10), removeOnComplete; a shorter queue " +
    "than ours, " +
    "since its rate falls as its queue grows.",
];

export async function consumeSqlite(context: Context): Promise<Outcome> {
  const ours = watched(ourSqliteSide());
  const disk = bunqueueSide("disk");
  const sides = [ours, disk, bunqueueSide("memory")];
  try {
    const cases = CONCURRENCIES.flatMap((concurrency) => sides.map((side) => ({ side, concurrency })));
    const rows = await consumeRows(BENCH, context, cases);
    return { rows, checks: [check(rows, ours.name, disk.name)], notes: NOTES };
  } finally {
    for (const side of sides) await side.close();
  }
}

function check(rows: readonly Row[], ours: string, disk: string): Check {
  const at100 = (name: string) =>
    rows.find(({ side, setting }) => side === name && setting === "concurrency 100")?.value ?? Number.NaN;
  const value = at100(ours) / at100(disk);
  const what = "concurrency 100, ours with FULL / bunqueue on disk with NORMAL";
  return { bench: BENCH, what, value, unit: "x", relation: ">=", target: 20, aim: 25 };
}
