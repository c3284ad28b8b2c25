/** Counts, read from the books that every transaction keeps: their cost does not grow with the number of tasks. */
import type { TaskState } from "../../../task/state.ts";
import type { Backlog, QueueCounts } from "../../broker.ts";
import type { OtherQueues } from "../../contract/admin.ts";
import { queueCounts } from "../../contract/queue-counts.ts";
import { stateName } from "../file/schema.ts";
import type { Store } from "../file/store.ts";
import { numberOf, textOf } from "./rows.ts";

const OF_OTHERS = "FROM counts WHERE n > 0 AND queue NOT IN (SELECT value FROM json_each(?))";
const OTHERS = `SELECT DISTINCT queue ${OF_OTHERS} ORDER BY queue LIMIT ?`;
const COUNT_OTHERS = `SELECT count(DISTINCT queue) AS n ${OF_OTHERS}`;
const OF_QUEUE = "SELECT state, n FROM counts WHERE queue = ?";

export function counts(store: Store, queues: readonly string[]): Promise<QueueCounts[]> {
  return store.read((sql) =>
    queues.map((name) => {
      const by = new Map<TaskState, number>();
      for (const row of sql(OF_QUEUE).all(name)) by.set(stateName(numberOf(row, "state")), numberOf(row, "n"));
      return queueCounts(name, (state) => by.get(state) ?? 0);
    }),
  );
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
