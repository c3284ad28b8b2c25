/** What the variables of OpenTelemetry mean here, wrong ones included. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { headersIn, isAsked, resourceIn, samplerIn, shownEndpoint } from "../../src/tracing/environment.ts";

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };

test("spans are asked for by an endpoint, and by nothing else", () => {
  assert.ok(isAsked(ENDPOINT));
  for (const off of [
    { OTEL_SDK_DISABLED: "TRUE" },
    { OTEL_TRACES_EXPORTER: "none" },
    { OTEL_EXPORTER_OTLP_ENDPOINT: "" },
  ]) {
    assert.ok(!isAsked({ ...ENDPOINT, ...off }), JSON.stringify(off));
  }
  assert.ok(!isAsked({ OTEL_TRACES_SAMPLER: "always_on" }));
});

test("a hundredth is sampled by default, else what is said; what is wrong is told, and never samples all", () => {
  const problems: string[] = [];
  const sampler = (name?: string, argument?: string) =>
    samplerIn({ OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: argument }, (problem) => problems.push(problem));
  assert.deepEqual(sampler(), { isParentBased: true, root: "ratio", ratio: 0.01 });
  assert.deepEqual(sampler("", "0.5"), { isParentBased: true, root: "ratio", ratio: 0.5 });
  assert.deepEqual(sampler("traceidratio", "1"), { isParentBased: false, root: "ratio", ratio: 1 });
  assert.deepEqual(sampler("parentbased_traceidratio"), { isParentBased: true, root: "ratio", ratio: 0.01 });
  assert.deepEqual(sampler("always_on", "x"), { isParentBased: false, root: "on", ratio: 1 });
  assert.deepEqual(sampler("parentbased_always_off"), { isParentBased: true, root: "off", ratio: 1 });
  assert.deepEqual(problems, []);
  assert.deepEqual(sampler("always"), { isParentBased: true, root: "ratio", ratio: 0.01 });
  for (const argument of ["2", "-1", "x", "NaN"]) assert.equal(sampler("traceidratio", argument).ratio, 0.01);
  assert.equal(problems.length, 5);
});

test("headers and attributes are pairs, percent-encoded; an error about headers does not say them", () => {
  assert.deepEqual(
    headersIn({ OTEL_EXPORTER_OTLP_HEADERS: "a=1, b=x%20y=z,", OTEL_EXPORTER_OTLP_TRACES_HEADERS: "a=2" }),
    {
      ...{ a: "2", b: "x y=z" },
    },
  );
  assert.throws(
    () => headersIn({ OTEL_EXPORTER_OTLP_HEADERS: "authorization=s3cret%" }),
    (error: Error) => !error.message.includes("s3cret"),
  );
  assert.deepEqual(resourceIn({}, "me"), { "service.instance.id": "me", "service.name": "taskexe" });
  const said = { OTEL_RESOURCE_ATTRIBUTES: "service.name=a,service.instance.id=b,c=d", OTEL_SERVICE_NAME: "e" };
  assert.deepEqual(resourceIn(said, "me"), { "service.instance.id": "b", c: "d", "service.name": "e" });
});

test("an endpoint is shown without what may be secret in it, and is a URL", () => {
  assert.equal(shownEndpoint({ OTEL_EXPORTER_OTLP_ENDPOINT: "https://u:p@host:1/x?token=t" }), "https://host:1/x");
  for (const wrong of ["host:4318", "localhost", "ftp://host"]) {
    assert.throws(() => shownEndpoint({ OTEL_EXPORTER_OTLP_ENDPOINT: wrong }), /OTEL_EXPORTER_OTLP_ENDPOINT is/);
  }
});
