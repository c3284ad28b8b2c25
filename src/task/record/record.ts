/**
 * The record of a task: everything that can be told about it. Brokers store it, `taskexe task ID` and HTTP show it.
 * Times are Unix ms on the broker's clock; what is unknown is null.
 */
import * as v from "valibot";
import { TASK_STATES } from "../state.ts";
import { AttemptTimesSchema } from "./attempt-times.ts";
import { EndedBySchema } from "./ended-by.ts";

/** An error as it is kept: bounded in size, a group with its parts. */
export interface ErrorRecord {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  /** The parts of a group, and a cause as the last part. */
  readonly parts?: readonly ErrorRecord[] | undefined;
  /** Of an attempt whose time was over: how its code ended when it was told to stop. */
  readonly ended_by?: v.InferOutput<typeof EndedBySchema> | undefined;
}

export const ErrorRecordSchema: v.GenericSchema<ErrorRecord> = v.object({
  name: v.string(),
  message: v.string(),
  stack: v.optional(v.string()),
  parts: v.optional(v.array(v.lazy(() => ErrorRecordSchema))),
  ended_by: v.optional(EndedBySchema),
});

/** The error of one attempt, shortened. */
export interface AttemptError extends ErrorRecord {
  /** Which attempt failed, from 1; a retry by hand counts from 1 again. */
  readonly attempt: number;
  /** When, Unix ms on the broker's clock. */
  readonly at: number;
  readonly executor: string;
  /** Where its time went; absent: its code was never called. */
  readonly times?: v.InferOutput<typeof AttemptTimesSchema> | undefined;
}

export const AttemptErrorSchema: v.GenericSchema<AttemptError> = v.object({
  attempt: v.number(),
  at: v.number(),
  executor: v.string(),
  name: v.string(),
  message: v.string(),
  stack: v.optional(v.string()),
  parts: v.optional(v.array(ErrorRecordSchema)),
  ended_by: v.optional(EndedBySchema),
  times: v.optional(AttemptTimesSchema),
});

const Time = v.nullable(v.number());

export const TaskRecordSchema = v.object({
  id: v.string(),
  type: v.string(),
  queue: v.string(),
  priority: v.number(),
  state: v.picklist(TASK_STATES),
  /** Which attempt is running or was last; 0 before the first. */
  attempt: v.number(),
  /** How often the process died that ran the task alone. */
  crashes: v.number(),
  /** How often it was recorded as done: 0 or 1. */
  completions: v.number(),
  /** 0..1, or -1 for failed. */
  progress: v.number(),
  /** The log of progress messages, its last 3 000 characters. */
  progress_msg: v.string(),
  /** The JSON value that the handler returned. */
  result: v.unknown(),
  /** Why the value that the handler returned is not kept; null: it is, or there was none. */
  result_omitted: v.nullable(v.string()),
  /** Why it is dead or cancelled. */
  reason: v.nullable(v.string()),
  /** How the code of its last attempt ended, where that was told to stop: it was cancelled, or its time was over. */
  ended_by: v.nullable(EndedBySchema),
  /** Where the time of its last attempt went; null: none has ended, or its code was never called. */
  times: v.nullable(AttemptTimesSchema),
  /** The last one. */
  error: v.nullable(ErrorRecordSchema),
  /** Those of all attempts, oldest first: the first, and the last nine. */
  errors: v.array(AttemptErrorSchema),
  /** Who runs it, or ran it last. */
  executor: v.nullable(v.string()),
  /** The message as it stands on the wire; of an over-long one its first part. */
  message: v.string(),
  enqueued_at: Time,
  started_at: Time,
  finished_at: Time,
  /** When a scheduled or retrying task is due. */
  due_at: Time,
});

export type TaskRecord = v.InferOutput<typeof TaskRecordSchema>;
