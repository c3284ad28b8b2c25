/**
 * The part of the broker contract that schedules need. A broker keeps what was put (the definition) and what has come
 * of it (the state), and changes both in one step where nobody has changed them since they were read: so a run is
 * enqueued once, whoever looks, and whatever dies meanwhile. When one is due, and what is enqueued, is decided in
 * src/operations/schedules.
 */
import type { Overlap, ScheduleDefaults, ScheduleOptions } from "../../task/options/schedule-options.ts";
import type { TaskState } from "../../task/state.ts";
import type { EnqueueReceipt, EnqueueRequest } from "./producer.ts";

/** How many runs of a schedule are remembered. */
export const MAX_SCHEDULE_RUNS = 10;

/** What was put. The task is a template: each run is enqueued under an id of its own. */
export interface ScheduleDefinition {
  readonly name: string;
  readonly cron: string;
  /** An IANA time zone; null: UTC. */
  readonly timezone: string | null;
  readonly type: string;
  /** JSON of the payload. */
  readonly payload: string;
  /** What was said with the schedule. */
  readonly options: ScheduleOptions;
  /** What the definition of the type says, as somebody who has it told last; null: nobody has yet. */
  readonly defaults: ScheduleDefaults | null;
  /** Null: as the tasks are unique or not. */
  readonly overlap: Overlap | null;
  /** How long records are kept where neither says it, in ms. */
  readonly retentionMs: number;
}

/** One run: a task with the id `cron-{name}-{at}`. */
export interface ScheduleRun {
  /** When it was due, or when it was asked for by hand, Unix ms. */
  readonly at: number;
  /** How it ended; "gone": it ended and keeps no record; null: it had not ended when last looked. */
  readonly end: TaskState | "gone" | null;
}

/** What has come of it. Times are Unix ms on the broker's clock. */
export interface ScheduleState {
  /** When it fires next; null: never again, or not while it is paused. */
  readonly nextAt: number | null;
  /** The last time at which it was due and fired; null: never yet. */
  readonly lastAt: number | null;
  readonly paused: boolean;
  /** The run that waits until the one before has ended (overlap `queue`); null: none. */
  readonly waitingAt: number | null;
  /** The last runs, oldest first; those that have not ended are kept longest. */
  readonly runs: readonly ScheduleRun[];
  /** How many runs were left out since an earlier one had not ended or another task held the unique key. */
  readonly skipped: number;
  readonly lastSkippedAt: number | null;
}

export interface StoredSchedule extends ScheduleDefinition, ScheduleState {
  /** Another one after every change; the broker's own. */
  readonly revision: string;
}

/** A change of one schedule. */
export interface ScheduleChange {
  readonly name: string;
  /** The revision that was read; null: there was none of that name. */
  readonly revision: string | null;
  /** Absent: it stays as it is. */
  readonly definition?: ScheduleDefinition;
  readonly state: ScheduleState;
  /** A task to be enqueued in the same step, and the state where that could not be: another holds its unique key. */
  readonly enqueue?: { readonly request: EnqueueRequest; readonly otherwise: ScheduleState };
}

/** `changed` is false where it was changed or removed since it was read: nothing has happened then. */
export type ScheduleChanged =
  | { readonly changed: false }
  | { readonly changed: true; readonly receipt: EnqueueReceipt | null };

export interface ScheduleListQuery {
  /** The page begins behind this name; "": with the first. */
  readonly after: string;
  /** 1 to 1 000. */
  readonly limit: number;
}

/** As it is listed: a payload of more than 1 000 bytes is `null`. */
export interface ListedSchedule extends StoredSchedule {
  /** How long the whole JSON of the payload is, in bytes. */
  readonly payloadBytes: number;
}

export interface ScheduleList {
  /** By name; what cannot be read is left out. */
  readonly schedules: readonly ListedSchedule[];
  /** Behind which name the next page begins; null: this was the last. */
  readonly next: string | null;
}

/** Schedules to be looked at now. */
export interface TakenSchedules {
  /** Those whose time to be looked at has come; nobody else is given them until `takenUntil`. */
  readonly due: readonly StoredSchedule[];
  /** Those that were put since, in order. */
  readonly changed: readonly StoredSchedule[];
  /** What `since` is next time. */
  readonly seen: number;
  /** Whether there may be more of either now. */
  readonly isMore: boolean;
  /** Unix ms on the broker's clock. */
  readonly takenUntil: number;
  /** In how many ms the next one is to be looked at; null: none is. */
  readonly nextInMs: number | null;
}

/** How long one that was taken is left to whoever took it, in ms. */
export const TAKEN_MS = 1_000;

/** When the end of a run is asked for after a change, in ms. */
const NEWS_MS = 1_000;

/**
 * When a schedule is to be looked at, Unix ms: when it fires next, or soon where a run has not ended, whose end is to
 * be remembered; null: never.
 */
export function lookAt({ nextAt, waitingAt, runs }: ScheduleState, now: number): number | null {
  const isOpen = waitingAt !== null || runs.some(({ end }) => end === null);
  return isOpen ? Math.min(nextAt ?? Number.POSITIVE_INFINITY, Math.round(now) + NEWS_MS) : nextAt;
}

export interface Schedules {
  /** A page of them by name, without long payloads. @throws (rejects) RangeError for a limit out of its range. */
  listSchedules(query: ScheduleListQuery): Promise<ScheduleList>;
  /**
   * All of them whole, by name, some at a time: as many as fit into 8 MB, 250 at the most. What cannot be read is left
   * out. One that is put meanwhile may be left out, too.
   */
  everySchedule(): AsyncIterable<readonly StoredSchedule[]>;
  countSchedules(): Promise<number>;
  /**
   * Takes those that are to be looked at, and reads those that were put: what is not due costs nothing. Of each it
   * gives at most `max`, and no more once about 8 MB are read.
   *
   * @param since - what `seen` was; null: none that was put.
   */
  takeSchedules(since: number | null, max: number): Promise<TakenSchedules>;
  /** One that was taken is to be looked at then, unless it was changed or taken since. @param at - Unix ms. */
  postponeSchedule(name: string, takenUntil: number, at: number): Promise<void>;
  /** One of them; null: there is none. */
  schedule(name: string): Promise<StoredSchedule | null>;
  changeSchedule(change: ScheduleChange): Promise<ScheduleChanged>;
  removeSchedule(name: string): Promise<boolean>;
  /** The states of tasks, in order; null where no record is kept. At most 1 000 ids. */
  states(ids: readonly string[]): Promise<(TaskState | null)[]>;
}
