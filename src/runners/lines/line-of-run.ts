/** A run as the line that its runner reads. Written by hand where that is safe: it is said for each attempt. */
import { encodeRun } from "../../runner-protocol/encode.ts";
import type { Run } from "../run.ts";

/** @throws MessageTooLongError. */
export function lineOfRun({ attempt, number }: Run): string {
  const { id, type, queue, priority, queuedAt } = attempt.task;
  const { payloadText, deadlineInMs, trace } = attempt;
  return encodeRun({
    run: number,
    attempt: attempt.attempt,
    crashes: attempt.crashes,
    asks_for_delay: attempt.asksForDelay,
    deadline_in_ms: deadlineInMs ?? undefined,
    trace: trace?.traceparent,
    tracestate: trace?.tracestate,
    task: { id, type, queue, priority, queued_at: queuedAt },
    text: attempt.isForeign ? { message: payloadText } : { payload: payloadText },
  });
}
