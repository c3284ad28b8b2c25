/** A task as the memory broker keeps it, and its record. Only the store changes an entry that is in its lists. */

import { lastTimes } from "../../../task/record/attempt-times.ts";
import { endedByOf } from "../../../task/record/ended-by.ts";
import type { AttemptError, ErrorRecord, TaskRecord } from "../../../task/record/record.ts";
import type { TaskState } from "../../../task/state.ts";
import type { LogLine } from "../../contract/admin.ts";

export interface Entry {
  /** Given in the order of the enqueues, and never twice. */
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  readonly queue: string;
  readonly retentionMs: number;
  readonly enqueuedAt: number;
  state: TaskState;
  priority: number;
  /** In line: the smaller one comes first. */
  place: number;
  message: string;
  /** The fence: another one with every change of owner; 0: nobody holds it. */
  token: number;
  owner: string | null;
  leaseUntil: number;
  queuedAt: number | null;
  startedAt: number | null;
  finishedAt: number | null;
  dueAt: number | null;
  expiresAt: number | null;
  deliveries: number;
  attempt: number;
  crashes: number;
  completions: number;
  progress: number;
  progressMsg: string;
  /** JSON text. */
  result: string | null;
  resultOmitted: string | null;
  reason: string | null;
  error: ErrorRecord | null;
  errors: readonly AttemptError[];
  /** Of its last attempt, packed; null: nothing is told. */
  times: string | null;
  readonly log: Log;
}

/** The last lines of a log; `last` is the number of the last one, `bytes` how many they count for. */
export interface Log {
  lines: LogLine[];
  last: number;
  bytes: number;
}

/** What a new task, or one that is queued again by hand, has to tell. */
export const NOTHING_TOLD = {
  token: 0,
  owner: null,
  leaseUntil: 0,
  startedAt: null,
  finishedAt: null,
  dueAt: null,
  expiresAt: null,
  deliveries: 0,
  attempt: 0,
  crashes: 0,
  completions: 0,
  progress: 0,
  progressMsg: "",
  result: null,
  resultOmitted: null,
  reason: null,
  error: null,
  times: null,
} as const satisfies Partial<Entry>;

export function recordOf(entry: Entry): TaskRecord {
  const { id, type, queue, priority, state, attempt, crashes, completions, progress, reason, error, message } = entry;
  const result: unknown = entry.result === null ? null : JSON.parse(entry.result);
  return {
    ...{ id, type, queue, priority, state, attempt, crashes, completions, progress, result, reason, error, message },
    progress_msg: entry.progressMsg,
    result_omitted: entry.resultOmitted,
    ended_by: endedByOf(entry),
    times: lastTimes({ ...entry, packed: entry.times }),
    errors: [...entry.errors],
    executor: entry.owner,
    enqueued_at: entry.enqueuedAt,
    started_at: attempt === 0 ? null : entry.startedAt,
    finished_at: entry.finishedAt,
    due_at: entry.dueAt,
  };
}
