/** What is told of tasks as spans, and how: whoever tells of one needs to know no more of tracing than this. */
import type { Sending } from "../task/trace/sending.ts";
import type { TraceContext } from "../task/trace/trace-context.ts";

/** What a span says of its task. */
export interface TracedTask {
  readonly id: string;
  readonly type: string;
  readonly queue: string;
}

export interface TracedAttempt extends TracedTask {
  readonly attempt: number;
  /** The trace of whoever has sent the task; null: none. */
  readonly creator: TraceContext | null;
}

export interface AttemptSpan {
  /** What whatever runs in the attempt belongs to. */
  readonly trace: TraceContext;
  /** @param errorType - what went wrong, in a word; null: nothing did. */
  ended(outcome: string, errorType: string | null): void;
}

/** A call of the broker for many tasks, as a span of its queue. */
export interface TracedCall {
  readonly operation: "receive" | "settle";
  readonly queue: string;
  /** Of the tasks that were received or settled. */
  readonly creators: readonly (TraceContext | null)[];
  /** When it began, Unix ms. */
  readonly startedAt: number;
}

/** How an attempt belongs to the trace of whoever sent its task: by a link from a trace of its own, or as a child. */
export type AttemptsAs = "link" | "child";

/** How many spans the collector took, and how many were dropped: it was away, refused them, or had no room for more. */
export interface SpanCounts {
  readonly exported: number;
  readonly dropped: number;
}

export interface Tracing {
  /** A task is sent. @param parent - the trace of whoever sends it. */
  send(task: TracedTask, parent: TraceContext | null | undefined): Sending;
  /** An attempt begins. */
  attempt(task: TracedAttempt, as: AttemptsAs): AttemptSpan;
  /** A call has ended. */
  called(call: TracedCall): void;
  readonly counts: SpanCounts;
  /** Sends what has gathered, for so long at the most. Never rejects. */
  flush(limitMs: number): Promise<void>;
}
