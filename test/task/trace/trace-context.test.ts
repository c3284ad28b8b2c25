/** What W3C Trace Context calls a trace is carried; all else is no trace, and never an error. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_TRACESTATE_LENGTH, readTrace, tracedAs, traceIn } from "../../../src/task/trace/trace-context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const TRACEPARENT = `00-${TRACE}-${SPAN}-01`;

test("a traceparent is read, spaces around it aside", () => {
  assert.deepEqual(readTrace(TRACEPARENT), { traceparent: TRACEPARENT });
  assert.deepEqual(readTrace(` ${TRACEPARENT} `, " a=1 "), { traceparent: TRACEPARENT, tracestate: "a=1" });
});

test("one of a later version is read as far as this one goes", () => {
  for (const one of [`cc-${TRACE}-${SPAN}-01`, `01-${TRACE}-${SPAN}-01-what-comes`]) {
    assert.deepEqual(readTrace(one), { traceparent: TRACEPARENT }, one);
  }
});

test("what is no traceparent is no trace", () => {
  const none = [
    `ff-${TRACE}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}-01.`,
    `cc-${TRACE}-${SPAN}-01.more`,
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-0g`,
    `${TRACEPARENT}\n${TRACEPARENT}`,
    `cc-${TRACE}-${SPAN}-01-${"x".repeat(1_000)}`,
    ...["", "a\r\nX: y", 7, null, undefined, {}, [TRACEPARENT]],
  ];
  for (const one of none) assert.equal(readTrace(one, "a=1"), null, String(one));
});

test("of a tracestate whole members are carried, up to its bound, and only text", () => {
  const stateOf = (state: unknown) => readTrace(TRACEPARENT, state)?.tracestate;
  for (const none of ["", " ", "a=\u00e9", "a=1\r\nX: y", 7, null, "x".repeat(MAX_TRACESTATE_LENGTH + 1)]) {
    assert.equal(stateOf(none), undefined, String(none));
  }
  const whole = `a=${"x".repeat(MAX_TRACESTATE_LENGTH - 2)}`;
  assert.equal(stateOf(whole), whole);
  assert.equal(stateOf(`${whole},b=2`), whole);
  assert.equal(stateOf(`b=2,${whole}`), "b=2");
});

test("a message tells of its trace in ours, in another producer's keys, or not at all", () => {
  const trace = { traceparent: TRACEPARENT };
  for (const fields of [trace, { trace }, { taskexe: { trace } }, { trace: "a table", ...trace }]) {
    assert.deepEqual(traceIn(fields), trace);
  }
  for (const fields of [{}, { trace: null }, { trace: { traceparent: 1 } }, { taskexe: null }]) {
    assert.equal(traceIn(fields), null);
  }
  assert.deepEqual([tracedAs(trace), tracedAs(null)], [{ trace_id: TRACE }, {}]);
});
