/**
 * The trace that a request says it belongs to, by W3C Trace Context: that of the attempt where it has one, else one
 * made of the task's id, so that all attempts of a task are in one trace, and each request is a span of its own.
 */
import { createHash, randomBytes } from "node:crypto";
import type { TraceContext } from "../../task/trace/trace-context.ts";

/** The headers of a request for the task of that id. */
export function traceHeaders(id: string, known: TraceContext | null | undefined): Record<string, string> {
  if (known) {
    const { traceparent, tracestate } = known;
    return { Traceparent: traceparent, ...(tracestate === undefined ? {} : { Tracestate: tracestate }) };
  }
  // Nobody has asked for it to be recorded.
  const trace = createHash("sha256").update(id).digest("hex").slice(0, 32);
  return { Traceparent: `00-${trace}-${randomBytes(8).toString("hex")}-00` };
}
