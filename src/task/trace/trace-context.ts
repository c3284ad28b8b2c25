/**
 * The trace that a task belongs to, as W3C Trace Context writes it (https://www.w3.org/TR/trace-context/). It is
 * carried from whoever enqueues to whoever runs, whether or not anybody here exports spans. What cannot be read is no
 * trace, and never an error.
 */
import { isObject, read } from "../../concurrency/unknown-values.ts";

export interface TraceContext {
  /** `00-TRACE-SPAN-FLAGS`, in lower-case hex. */
  readonly traceparent: string;
  /** What other systems say of the trace; undefined: nothing. */
  readonly tracestate?: string | undefined;
}

/** So much of a `tracestate` is carried, in characters: whole members from its beginning. */
export const MAX_TRACESTATE_LENGTH = 512;

/** A later version may say more behind what this one says. */
const TRACEPARENT =
  /^(?:00|(?!ff)[\da-f]{2}(?=.{53}(?:-|$)))(-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2})(.*)$/;
const PRINTABLE = /^[\x20-\x7e]+$/;
/** No traceparent that is carried is longer, in characters. */
const MAX_TRACEPARENT_LENGTH = 512;

/** What two headers, variables or fields say; null: no trace. */
export function readTrace(traceparent: unknown, tracestate?: unknown): TraceContext | null {
  if (typeof traceparent !== "string" || traceparent.length > MAX_TRACEPARENT_LENGTH) return null;
  const text = traceparent.trim();
  const [, ids, more] = TRACEPARENT.exec(text) ?? [];
  if (ids === undefined || (more !== "" && text.startsWith("00"))) return null;
  const state = stateOf(tracestate);
  return state === null ? { traceparent: `00${ids}` } : { traceparent: `00${ids}`, tracestate: state };
}

/**
 * The trace that a message tells of: `trace` of ours, or what stands at the top of another producer's; null: none.
 */
export function traceIn(fields: Readonly<Record<string, unknown>>): TraceContext | null {
  const { trace, taskexe, traceparent, tracestate } = fields;
  const ofOptions = isObject(taskexe) ? read(taskexe, "trace") : undefined;
  return traceOf(trace) ?? traceOf(ofOptions) ?? readTrace(traceparent, tracestate);
}

/** What stands as `{traceparent, tracestate}`; null: no trace. */
export function traceOf(value: unknown): TraceContext | null {
  return isObject(value) ? readTrace(read(value, "traceparent"), read(value, "tracestate")) : null;
}

/** As it stands in a log line; empty where there is no trace. */
export function tracedAs(trace: TraceContext | null | undefined): { readonly trace_id?: string } {
  return trace ? { trace_id: trace.traceparent.slice(3, 35) } : {};
}

function stateOf(value: unknown): string | null {
  if (typeof value !== "string") return null;
  const text = value.trim();
  const isWhole = text.length <= MAX_TRACESTATE_LENGTH;
  const kept = isWhole ? text : text.slice(0, Math.max(text.lastIndexOf(",", MAX_TRACESTATE_LENGTH), 0));
  return PRINTABLE.test(kept) ? kept : null;
}
