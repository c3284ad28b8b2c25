/**
 * The state table: the one place that says what may happen to a task, and how that moves it. Both brokers ask it, the
 * scripts that run in Redis are made from it, and SQLite's books refuse a move that is not in it.
 * scheduled -> queued -> running -> done | retrying (-> queued) | dead | cancelled.
 */

/** Every state a task can be in. */
export const TASK_STATES = ["scheduled", "queued", "running", "retrying", "done", "dead", "cancelled"] as const;

export type TaskState = (typeof TASK_STATES)[number];

/** One thing that may happen to tasks in some states. */
export interface Move {
  readonly from: readonly TaskState[];
  readonly to: TaskState;
}

/** Everything that may happen to a task once it is enqueued (as `scheduled` or `queued`), until it is removed. */
export const MOVES = {
  /** It has come due. */
  promote: { from: ["scheduled", "retrying"], to: "queued" },
  claim: { from: ["queued"], to: "running" },
  /** It is handed back unrun, or taken over where it must not run now. */
  release: { from: ["running"], to: "queued" },
  complete: { from: ["running"], to: "done" },
  /** The attempt failed, and another one follows. */
  retry: { from: ["running"], to: "retrying" },
  /** Out of attempts, refused, or quarantined. */
  bury: { from: ["running"], to: "dead" },
  cancel: { from: ["scheduled", "queued", "running", "retrying"], to: "cancelled" },
  /** By hand: it shall wait for a later time. */
  postpone: { from: ["queued"], to: "scheduled" },
  /** By hand, from its first attempt. */
  revive: { from: ["dead", "cancelled"], to: "queued" },
} as const satisfies Readonly<Record<string, Move>>;

const ALL_MOVES: readonly Move[] = Object.values(MOVES);

/** Tells whether this may happen to a task in that state. */
export function isOpenTo({ from }: Move, state: TaskState): boolean {
  return from.includes(state);
}

/** Where a task may go from each state, for the books that ask at every move. */
const REACHED = new Map(
  TASK_STATES.map((state) => [state, ALL_MOVES.filter((move) => isOpenTo(move, state)).map(({ to }) => to)]),
);

/** Tells whether anything leads from one state to the other. */
export function mayMove(from: TaskState, to: TaskState): boolean {
  return REACHED.get(from)?.includes(to) ?? false;
}

/** The states that a task leaves only by hand, or never: nothing but a retry by hand leads out of them. */
export const ENDED_STATES = ["done", "dead", "cancelled"] as const satisfies readonly TaskState[];

export type EndedState = (typeof ENDED_STATES)[number];

/** The states that a retry by hand leads out of. */
export const RETRIED_STATES = MOVES.revive.from;

export type RetriedState = (typeof RETRIED_STATES)[number];

/** Tells whether a task in this state leaves it only by hand, or never. */
export function hasEnded(state: TaskState): state is EndedState {
  return ENDED_STATES.some((ended) => ended === state);
}
