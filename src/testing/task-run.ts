/** How one attempt ended, as its record would say it, with all that it told on the way. */
import type { EnqueueRequest, Outcome } from "../broker/broker.ts";
import type { TaskLogLevel } from "../handlers/define-task.ts";
import type { HandlerLogLine } from "../handlers/handler.ts";
import { parseMessage } from "../task/message/message.ts";
import type { ErrorRecord } from "../task/record/record.ts";

export interface ToldProgress {
  readonly value: number;
  readonly message: string;
}

export interface LoggedLine {
  readonly level: TaskLogLevel;
  /** The whole line as the task's own log keeps it, with its properties. */
  readonly text: string;
}

/** A task that was enqueued. */
export interface EnqueuedTask {
  readonly id: string;
  readonly type: string;
  /** As the handler of its type will get it, before its schema. */
  readonly payload: unknown;
  readonly queue: string;
  readonly priority: number;
  /** How long it waits before it is queued, in ms; 0: not at all. */
  readonly delayMs: number;
}

export interface TaskRun {
  readonly id: string;
  readonly type: string;
  /** Which attempt it was, from 1. */
  readonly attempt: number;
  /**
   * The state of the task after it. `retrying`: another attempt follows. `queued`: its type is paused, and nothing ran.
   */
  readonly state: "done" | "retrying" | "dead" | "cancelled" | "queued";
  /** The JSON value that the handler returned; null: none, or it could not be kept. */
  readonly result: unknown;
  /** Why what the handler returned is not kept; null: it is, or there was nothing. */
  readonly resultOmitted: string | null;
  /** What went wrong in this attempt, as the record keeps it; null: nothing. */
  readonly error: ErrorRecord | null;
  /** Why the task is dead or cancelled; null: it is neither. */
  readonly reason: string | null;
  /** In how many ms the next attempt is due; null: there is none. */
  readonly retryInMs: number | null;
  /** Every call of `progress`, in order; a record keeps the last. */
  readonly progress: readonly ToldProgress[];
  readonly log: readonly LoggedLine[];
}

/** What an attempt tells while it runs. */
export class Notes {
  readonly progress: ToldProgress[] = [];
  readonly log: LoggedLine[] = [];

  logged({ level, plain }: HandlerLogLine): void {
    this.log.push({ level, text: plain });
  }
}

const STATES = { done: "done", retry: "retrying", dead: "dead", cancelled: "cancelled", parked: "queued" } as const;

export function taskRun(outcome: Outcome, { progress, log }: Notes): TaskRun {
  const { id, type, attempt, kind } = outcome;
  const result: unknown = kind === "done" && outcome.result !== null ? JSON.parse(outcome.result) : null;
  return {
    ...{ id, type, attempt, state: STATES[kind], result, progress, log },
    resultOmitted: kind === "done" ? (outcome.resultOmitted ?? null) : null,
    error: kind === "retry" || kind === "dead" ? outcome.error : null,
    reason: kind === "dead" || kind === "cancelled" ? outcome.reason : null,
    retryInMs: kind === "retry" ? outcome.delayMs : null,
  };
}

export function enqueuedTask({ id, type, queue, priority, message, delayMs = 0 }: EnqueueRequest): EnqueuedTask {
  const read = parseMessage(message);
  return { id, type, payload: read.ok ? read.message.payload : undefined, queue, priority, delayMs };
}
