/** Spans on their way: bounded, counted, and waited for by nobody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from "@opentelemetry/sdk-trace-base";
import { OpenTelemetryTracing } from "../../src/tracing/open-telemetry.ts";
import { samplerOf } from "../../src/tracing/sampler.ts";
import { MOST_SPANS, SpanOutlet } from "../../src/tracing/span-outlet.ts";

type Done = Parameters<SpanExporter["export"]>[1];

function tracingWith(exporter: SpanExporter["export"]) {
  const troubles: (string | null)[] = [];
  const whole = { export: exporter, shutdown: () => Promise.resolve() };
  const outlet = new SpanOutlet(whole, BatchSpanProcessor, (reason) => troubles.push(reason));
  const sampler = samplerOf({ isParentBased: true, root: "on", ratio: 1 });
  const provider = new BasicTracerProvider({ sampler, spanProcessors: [outlet] });
  const told = new OpenTelemetryTracing(provider.getTracer("test"), outlet, "me");
  const send = (times: number) => {
    for (let n = 0; n < times; n++) told.send({ id: `t${n}`, type: "t", queue: "q" }, null).ended();
  };
  return { told, send, troubles };
}

test("beyond so many that wait, those under way included, spans are dropped and counted", () => {
  const under: Done[] = [];
  const { told, send } = tracingWith((_, done) => void under.push(done));
  send(MOST_SPANS + 100);
  assert.deepEqual(told.counts, { exported: 0, dropped: 100 });
  assert.equal(under.length, 1, "one batch at a time");
  under[0]?.({ code: 0 });
  send(1_000);
  assert.deepEqual(told.counts, { exported: 512, dropped: 588 });
});

test("what is not taken is counted, and told once until it goes well again", async () => {
  let answer: Parameters<Done>[0] = { code: 1, error: new Error("no") };
  const { told, send, troubles } = tracingWith((_, done) => done(answer));
  for (const [times, next] of [
    [3, answer],
    [4, { code: 0 }],
    [5, { code: 0 }],
  ] as const) {
    send(times);
    await told.flush(5_000);
    answer = next;
  }
  assert.deepEqual(told.counts, { exported: 5, dropped: 7 });
  assert.deepEqual(troubles, ["no", null]);
});

test("a flush ends at its limit where nobody answers", async () => {
  const { told, send } = tracingWith(() => {});
  send(1);
  await told.flush(20);
  assert.deepEqual(told.counts, { exported: 0, dropped: 0 });
});

test("a sending is told once, with what went wrong; one of which nothing is said is not told", async () => {
  const found: unknown[] = [];
  const { told } = tracingWith((spans, done) => {
    for (const { status, attributes } of spans) found.push([status.code, attributes["error.type"]]);
    done({ code: 0 });
  });
  const sent = told.send({ id: "a", type: "t", queue: "q" }, null);
  sent.ended(new RangeError("x"));
  sent.ended();
  told.send({ id: "b", type: "t", queue: "q" }, null);
  await told.flush(5_000);
  assert.deepEqual(found, [[2, "RangeError"]]);
});
