/** The counts of a queue out of those of its states: who waits for a time is scheduled, whatever for. */
import type { TaskState } from "../../task/state.ts";
import type { QueueCounts } from "./admin.ts";

/** @param n - how many tasks are in a state. */
export function queueCounts(name: string, n: (state: TaskState) => number): QueueCounts {
  return {
    name,
    queued: n("queued"),
    running: n("running"),
    scheduled: n("scheduled") + n("retrying"),
    dead: n("dead"),
    done: n("done"),
    cancelled: n("cancelled"),
  };
}
