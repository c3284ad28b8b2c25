/** Counts, read from the books that every transaction keeps: their cost does not grow with the number of tasks. */
import type { TaskState } from "../../../task/state.ts";
import type { Backlog, QueueCounts } from "../../broker.ts";
import { stateName } from "../file/schema.ts";
import type { Store } from "../file/store.ts";
import { numberOf } from "./rows.ts";

const OF_QUEUE = "SELECT state, n FROM counts WHERE queue = ?";

export function counts(store: Store, queues: readonly string[]): Promise<QueueCounts[]> {
  return store.read((sql) =>
    queues.map((name) => {
      const by = new Map<TaskState, number>();
      for (const row of sql(OF_QUEUE).all(name)) by.set(stateName(numberOf(row, "state")), numberOf(row, "n"));
      const n = (state: TaskState): number => by.get(state) ?? 0;
      return {
        name,
        queued: n("queued"),
        running: n("running"),
        scheduled: n("scheduled") + n("retrying"),
        dead: n("dead"),
        done: n("done"),
        cancelled: n("cancelled"),
      };
    }),
  );
}

export async function backlog(store: Store, queues: readonly string[]): Promise<Backlog> {
  const all = await counts(store, queues);
  return {
    pending: all.reduce((sum, { running }) => sum + running, 0),
    lag: all.reduce((sum, { queued }) => sum + queued, 0),
  };
}
