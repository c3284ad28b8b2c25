/**
 * The trace that a request belongs to, by W3C Trace Context: that of the message where it has one, else one made of the
 * task's id, so that all attempts of a task are in one trace. Each request is a span of its own.
 */
import { createHash, randomBytes } from "node:crypto";
import { isObject, read } from "../../concurrency/unknown-values.ts";

const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-([\da-f]{2})(?:-.*)?$/;
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;

/** The headers of a request for this task. */
export function traceHeaders(id: string, message: Readonly<Record<string, unknown>>): Record<string, string> {
  const span = randomBytes(8).toString("hex");
  for (const place of [message.trace, partOf(message.taskexe, "trace"), message]) {
    const [traceparent, tracestate] = [partOf(place, "traceparent"), partOf(place, "tracestate")];
    const [, trace, flags] = typeof traceparent === "string" ? (TRACEPARENT.exec(traceparent) ?? []) : [];
    if (trace === undefined) continue;
    const state = typeof tracestate === "string" && TRACESTATE.test(tracestate) ? { Tracestate: tracestate } : {};
    return { Traceparent: `00-${trace}-${span}-${flags}`, ...state };
  }
  // Nobody has asked for it to be recorded.
  const trace = createHash("sha256").update(id).digest("hex").slice(0, 32);
  return { Traceparent: `00-${trace}-${span}-00` };
}

function partOf(value: unknown, key: string): unknown {
  return isObject(value) ? read(value, key) : undefined;
}
