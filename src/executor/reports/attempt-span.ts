/** The span of an attempt, where spans are told: from the call of its handler to its outcome. */
import type { Outcome } from "../../broker/broker.ts";
import type { AttemptSpan } from "../../tracing/spans.ts";
import { tracing } from "../../tracing/tracing.ts";
import type { Attempt } from "../attempt/attempt.ts";
import type { ExecutorOptions } from "../options.ts";

/** Null: nobody collects spans. */
export function spansOf({
  traceAttempts = "link",
}: Pick<ExecutorOptions, "traceAttempts">): ((attempt: Attempt) => AttemptSpan) | null {
  const told = tracing();
  if (told === null) return null;
  return ({ id, type, delivery: { queue }, attempt, trace: creator }) =>
    told.attempt({ id, type, queue, attempt, creator }, traceAttempts);
}

/** One that failed has what went wrong as its error: the name of what was thrown, or else why it failed. */
export function endSpan(span: AttemptSpan, outcome: Outcome): void {
  const hasFailed = outcome.kind === "retry" || outcome.kind === "dead";
  span.ended(outcome.kind, hasFailed ? outcome.error?.name || outcome.failedBy || "error" : null);
}
