/** Counts, read from the books that every transaction keeps: their cost does not grow with the number of tasks. */
import { statSync } from "node:fs";
import { MAX_PRIORITIES } from "../../../task/options/enqueue-options.ts";
import type { TaskState } from "../../../task/state.ts";
import type { Backlog, QueueCounts } from "../../broker.ts";
import type { BrokerFigures, OtherQueues } from "../../contract/admin.ts";
import { queueCounts } from "../../contract/queue-counts.ts";
import { STATE, stateName } from "../file/schema.ts";
import type { Store } from "../file/store.ts";
import { numberOf, textOf } from "./rows.ts";

const OF_OTHERS = "FROM counts WHERE n > 0 AND queue NOT IN (SELECT value FROM json_each(?))";
const OTHERS = `SELECT DISTINCT queue ${OF_OTHERS} ORDER BY queue LIMIT ?`;
const COUNT_OTHERS = `SELECT count(DISTINCT queue) AS n ${OF_OTHERS}`;
const OF_QUEUE = "SELECT state, n FROM counts WHERE queue = ?";

const PRIORITIES = JSON.stringify(Array.from({ length: MAX_PRIORITIES }, (_, priority) => priority));
const FIRST_OF_PRIORITY = `(SELECT queued_at FROM tasks
  WHERE state = ${STATE.queued} AND queue = ?2 AND priority = each.value ORDER BY place LIMIT 1)`;
const OLDEST = `SELECT min(at) AS at FROM (SELECT ${FIRST_OF_PRIORITY} AS at FROM json_each(?1) AS each)`;

export function counts(store: Store, queues: readonly string[]): Promise<QueueCounts[]> {
  return store.read((sql) =>
    queues.map((name) => {
      const by = new Map<TaskState, number>();
      for (const row of sql(OF_QUEUE).all(name)) by.set(stateName(numberOf(row, "state")), numberOf(row, "n"));
      return queueCounts(name, (state) => by.get(state) ?? 0);
    }),
  );
}

/** As Admin.figures: the first of each priority, by the index of the line. @param path - of the file. */
export function figures(store: Store, path: string, queues: readonly string[]): Promise<BrokerFigures> {
  return store.read((sql) => {
    const oldest = queues.map((queue) => {
      const at = sql(OLDEST).get(PRIORITIES, queue)?.at;
      return typeof at === "number" ? at : null;
    });
    const file = { name: "sqlite_file_bytes", help: "The file of the queue.", value: bytesOf(path) };
    const help = "Its log, which is written before it.";
    return { oldest, gauges: [file, { name: "sqlite_wal_bytes", help, value: bytesOf(`${path}-wal`) }] };
  });
}

/** 0 where it is not there, as a log that nobody has written yet. */
function bytesOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Those beside the given ones that hold a task, `max` at the most; and how many there are. */
export function otherQueues(store: Store, own: readonly string[], max: number): Promise<OtherQueues> {
  return store.read((sql) => {
    const given = JSON.stringify(own);
    const names = sql(OTHERS)
      .all(given, max)
      .map((row) => textOf(row, "queue"));
    return { names, count: Number(sql(COUNT_OTHERS).get(given)?.n) };
  });
}

export async function backlog(store: Store, queues: readonly string[]): Promise<Backlog> {
  const all = await counts(store, queues);
  return {
    pending: all.reduce((sum, { running }) => sum + running, 0),
    lag: all.reduce((sum, { queued }) => sum + queued, 0),
  };
}
