/** How many tasks a change would reach, counted before it is made. */
import type { Broker, QueueCounts } from "../../broker/broker.ts";
import { type ListPage, MAX_ADMINISTRATION_BATCH } from "../../broker/contract/admin.ts";
import type { TaskState } from "../../task/state.ts";
import { conditionsOf } from "../filters.ts";
import type { TaskFilter } from "./bulk.ts";

/** The count of a queue in which those of a state are. */
const COUNTED: Readonly<Record<TaskState, Exclude<keyof QueueCounts, "name">>> = {
  scheduled: "scheduled",
  retrying: "scheduled",
  queued: "queued",
  running: "running",
  done: "done",
  dead: "dead",
  cancelled: "cancelled",
};

/**
 * Counts the tasks in these states that match. Yields how many more there are; those of a type are looked for one by
 * one, a page at a time.
 */
export async function* countMatching(
  broker: Pick<Broker, "list" | "counts">,
  filter: TaskFilter,
  states: readonly TaskState[],
): AsyncGenerator<number> {
  const { type, queue } = filter;
  if (type === undefined) {
    const names = new Set(states.map((state) => COUNTED[state]));
    for (const counts of await broker.counts(queue === undefined ? undefined : [queue])) {
      for (const name of names) yield counts[name];
    }
    return;
  }
  for (const state of states) {
    const asked = { ...conditionsOf(filter), state, limit: MAX_ADMINISTRATION_BATCH, brief: state !== "running" };
    let cursor: string | null = null;
    do {
      const page: ListPage = await broker.list(cursor === null ? asked : { ...asked, cursor });
      yield page.tasks.length;
      cursor = page.cursor;
    } while (cursor !== null);
  }
}
