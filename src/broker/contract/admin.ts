/**
 * The contract's part for people: counts, lists, retries by hand, purges, pauses, task logs; schedules.ts has the rest.
 * Every answer is bounded; every change is atomic for one task and may be repeated.
 */
import type { ListedTask } from "../../task/record/listed-task.ts";
import type { EndedState, TaskState } from "../../task/state.ts";
import type { EditReceipt, TaskEdit } from "./edit.ts";
import type { Schedules } from "./schedules.ts";

/** Which tasks a list gives. Absent filters match everything. */
export interface ListQuery {
  readonly state?: TaskState;
  readonly queue?: string;
  readonly type?: string;
  /** 1..1 000. */
  readonly limit: number;
  /** Where the page before ended. */
  readonly cursor?: string;
  /** The page ends with the task that brings it to so many bytes, about. From 1; default `LIST_PAGE_BYTES`. */
  readonly maxBytes?: number;
  /**
   * Only ids are wanted, and when they ended: the rest need not be read, and a task may be in another state of those
   * that wait. For changes to many, where the broker looks at each again.
   */
  readonly brief?: boolean | undefined;
}

/**
 * One page: oldest first within a state. `cursor` is null at the end. A page may be short, or empty, before it: where
 * it has `maxBytes`, or where enough has been looked at; the next one goes on right behind its last task.
 */
export interface ListPage {
  /**
   * Cut where they lie, whatever the broker, to the lengths of listed-task.ts: a broker never reads a whole
   * long text into this process. The bytes of a page are those of the texts of its tasks as they are given here.
   */
  readonly tasks: readonly ListedTask[];
  readonly cursor: string | null;
}

/**
 * `state` is what it was in, null where it is not known; only dead and cancelled tasks are retried, and those that say
 * that they wait while nothing holds them. `heldBy`: it was not, since this other task holds its unique key.
 */
export interface RetryReceipt {
  readonly id: string;
  readonly state: TaskState | null;
  readonly retried: boolean;
  readonly heldBy?: string;
  /** Why it cannot have the payload that it was to be retried with. */
  readonly refused?: string;
}

/** Which ended records are to go. */
export interface PurgeQuery {
  readonly state: EndedState;
  readonly queue?: string;
  readonly type?: string;
}

/** What is paused for the whole fleet: nothing of it is started until it is resumed. */
export interface PauseTarget {
  readonly kind: "queue" | "type";
  readonly name: string;
}

/** Queues that others serve, or nobody does. */
export interface OtherQueues {
  readonly names: readonly string[];
  readonly count: number;
}

/** One line of a task's log. */
export interface LogLine {
  /** Unix ms on the broker's clock. */
  readonly at: number;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
}

/** Lines for the log of a task. */
export interface TaskLines {
  readonly id: string;
  /** The task's own. */
  readonly queue: string;
  readonly lines: readonly LogLine[];
}

/** The end of a task's log. */
export interface LogTail {
  readonly lines: readonly LogLine[];
  /** The number of the last line of the log, the first that was ever written being 1; 0: there is none. */
  readonly last: number;
}

/** How a task stands, as little as must be read to know whether anything has changed. */
export interface TaskGlance {
  /** Changes with whatever of this changes; to be handed back with the next question. */
  readonly seen: string;
  /** Changes where the record must be read again, for more than progress. */
  readonly record: string;
  readonly progress: number;
  /** As in the record. */
  readonly progressMsg: string;
  /** The number of the log's last line. */
  readonly lastLine: number;
}

/** How many lines of a task's log are kept, the last ones, and how long one may be, in UTF-16 code units. */
export const MAX_LOG_LINES = 1_000;
export const MAX_LOG_LINE_LENGTH = 2_000;

/** How many bytes of logs a queue keeps unless it is said: 256 MB. */
export const DEFAULT_LOG_BYTES = 256_000_000;

/** How many bytes of tasks one page of a list holds: 4 MB, and one task more. */
export const LIST_PAGE_BYTES = 4_000_000;

/** How many tasks one list, retry or purge call touches. */
export const MAX_ADMINISTRATION_BATCH = 1_000;

export interface QueueCounts {
  readonly name: string;
  readonly queued: number;
  readonly running: number;
  /** Scheduled and retrying: whatever waits for a time. */
  readonly scheduled: number;
  readonly dead: number;
  /** Records that are kept. */
  readonly done: number;
  readonly cancelled: number;
}

/** What only those ask who look at the whole. */
export interface BrokerFigures {
  /**
   * When the oldest task was queued that waits in line in each of the queues, Unix ms; null: none does. Those of paused
   * types wait aside.
   */
  readonly oldest: readonly (number | null)[];
  /** What the broker tells of itself, as gauges; what it does not know is left out. */
  readonly gauges: readonly { readonly name: string; readonly help: string; readonly value: number }[];
}

export interface Admin extends Schedules {
  /** @param queues - default: those that it was opened with. */
  counts(queues?: readonly string[]): Promise<QueueCounts[]>;
  /**
   * A page of tasks, their long texts cut. A filter that no index serves looks through a bounded number a call, and so
   * do tasks that are long: follow the cursor. Two lists are read at once in a process, others wait in line.
   *
   * @throws (rejects) RangeError for a query that cannot be; TooManyListsError where the line is full.
   */
  list(query: ListQuery): Promise<ListPage>;
  /**
   * Queues dead and cancelled tasks again, from their first attempt. At most 1 000.
   *
   * @param payload - JSON text that each has in the place of its own. Absent: each has its own.
   */
  retry(ids: readonly string[], payload?: string): Promise<RetryReceipt[]>;
  /**
   * Changes tasks that wait: each in one go, against claims too, so that it runs once, as it was before or after. At
   * most 1 000; of one id at most one.
   *
   * @throws (rejects) RangeError for too many, or a number that cannot be.
   */
  edit(edits: readonly TaskEdit[]): Promise<EditReceipt[]>;
  /** Removes ended records, at most `max` (1..1 000); tells how many went. Call again until it gives 0. */
  purge(query: PurgeQuery, max: number): Promise<number>;

  /**
   * Queues that are known besides those that it was opened with, since they hold something or were used in the last
   * day: `max` at the most, the latest used ones; and how many there are.
   */
  otherQueues(max: number): Promise<OtherQueues>;

  /** A look at the head of each line, however long it is, and at what the broker takes. */
  figures(queues: readonly string[]): Promise<BrokerFigures>;

  pause(target: PauseTarget): Promise<void>;
  resume(target: PauseTarget): Promise<void>;
  paused(): Promise<PauseTarget[]>;

  logs(id: string): Promise<LogLine[]>;
  /** The lines of a log behind the one with this number, as far as they are kept. */
  logsAfter(id: string, after: number): Promise<LogTail>;
  /**
   * How tasks stand, at most 1 000, in order; "same" where nothing has changed since `seen`, null where there is no
   * record.
   */
  glance(
    asked: readonly { readonly id: string; readonly seen: string | null }[],
  ): Promise<(TaskGlance | "same" | null)[]>;
}
