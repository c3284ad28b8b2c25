/**
 * The state table: the one place that says how a task may move. Both brokers obey it.
 * scheduled -> queued -> running -> done | retrying (-> queued) | dead | cancelled.
 */

/** Every state a task can be in. */
export const TASK_STATES = ["scheduled", "queued", "running", "retrying", "done", "dead", "cancelled"] as const;

export type TaskState = (typeof TASK_STATES)[number];

/** Which states may follow a state. `running -> queued` is a release or a reclaim; `dead -> queued` a retry by hand. */
export const ALLOWED_MOVES: Readonly<Record<TaskState, readonly TaskState[]>> = {
  scheduled: ["queued", "cancelled"],
  queued: ["running", "cancelled", "dead"],
  running: ["done", "retrying", "dead", "cancelled", "queued"],
  retrying: ["queued", "cancelled"],
  done: [],
  dead: ["queued"],
  cancelled: ["queued"],
};

/** Tells whether a task in `from` may go to `to`. */
export function mayMove(from: TaskState, to: TaskState): boolean {
  return ALLOWED_MOVES[from].includes(to);
}

/** The states that a task leaves only by hand. */
export function hasEnded(state: TaskState): boolean {
  return state === "done" || state === "dead" || state === "cancelled";
}
