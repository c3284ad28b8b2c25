/** What a process counts: bounded, from 0, cheap to write out, and as Prometheus wants it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ExecutorMetrics, MOST_SERIES } from "../../src/metrics/executor-metrics.ts";
import { OUTCOME } from "../../src/metrics/task-series.ts";
import { promtoolSays, seriesIn, sumOf } from "../stage/prometheus.ts";

const OPERATIONS = Array.from({ length: 17 }, (_, index) => `operation_${index}`);

function metricsOf(queues: readonly string[], types: readonly string[]): ExecutorMetrics {
  return new ExecutorMetrics({
    operations: OPERATIONS,
    queues,
    types: () => types,
    knows: (type) => types.includes(type),
  });
}

function textOf(metrics: ExecutorMetrics): string {
  const lines: string[] = [];
  metrics.write(lines);
  return `${lines.join("\n")}\n`;
}

const names = (count: number, prefix: string) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

describe("the metrics of a process", () => {
  test("every outcome of every type in every queue is there from the start, at 0", () => {
    const series = seriesIn(textOf(metricsOf(["common", "mail"], ["sum", "send"])));
    for (const queue of ["common", "mail"]) {
      for (const type of ["sum", "send"]) {
        for (const outcome of Object.keys(OUTCOME)) {
          const name = `taskexe_attempts_total{queue="${queue}",type="${type}",outcome="${outcome}"}`;
          assert.equal(series.get(name), 0, name);
        }
      }
    }
    assert.ok([...series.values()].every((value) => value === 0));
  });

  test("what is counted stands where it belongs, in rising buckets", () => {
    const metrics = metricsOf(["common"], ["sum"]);
    metrics.tasks.claimed("common", 3, 0.05);
    metrics.tasks.ended("common", "sum", OUTCOME.done);
    metrics.tasks.ended("common", "sum", OUTCOME.retry);
    metrics.tasks.ended("common", "sum", OUTCOME.lost);
    metrics.tasks.failed("sum", "timeout");
    metrics.tasks.ran("sum", 0.3);
    metrics.tasks.ran("sum", 5_000);
    metrics.tasks.enqueued("common", "http", 2);
    metrics.fired({ name: "nightly", queue: "common" }, 3);
    metrics.called("operation_1", 0.003, false);
    metrics.called("operation_1", 9, true);
    metrics.cancelled(0.02);
    metrics.answered("/status", "GET", "2xx", 0.004);
    const series = seriesIn(textOf(metrics));
    const expected = {
      'taskexe_tasks_claimed_total{queue="common"}': 3,
      'taskexe_wait_duration_seconds_bucket{queue="common",le="0.02"}': 0,
      'taskexe_wait_duration_seconds_bucket{queue="common",le="0.1"}': 3,
      'taskexe_wait_duration_seconds_bucket{queue="common",le="+Inf"}': 3,
      'taskexe_attempts_total{queue="common",type="sum",outcome="done"}': 1,
      'taskexe_attempts_total{queue="common",type="sum",outcome="retry"}': 1,
      'taskexe_attempts_total{queue="common",type="sum",outcome="lost"}': 1,
      'taskexe_leases_lost_total{queue="common"}': 1,
      'taskexe_attempt_failures_total{type="sum",reason="timeout"}': 1,
      'taskexe_attempt_duration_seconds_bucket{type="sum",le="0.1"}': 0,
      'taskexe_attempt_duration_seconds_bucket{type="sum",le="0.5"}': 1,
      'taskexe_attempt_duration_seconds_bucket{type="sum",le="3600"}': 1,
      'taskexe_attempt_duration_seconds_bucket{type="sum",le="+Inf"}': 2,
      'taskexe_attempt_duration_seconds_sum{type="sum"}': 5_000.3,
      'taskexe_attempt_duration_seconds_count{type="sum"}': 2,
      'taskexe_enqueued_total{queue="common",via="http"}': 2,
      'taskexe_enqueued_total{queue="common",via="schedule"}': 1,
      'taskexe_schedule_fires_total{name="nightly"}': 1,
      'taskexe_schedule_missed_total{name="nightly"}': 3,
      'taskexe_broker_operation_duration_seconds_count{operation="operation_1"}': 1,
      'taskexe_broker_errors_total{operation="operation_1"}': 1,
      'taskexe_cancel_latency_seconds_bucket{le="0.05"}': 1,
      'taskexe_http_requests_total{route="/status",method="GET",code="2xx"}': 1,
    };
    const found = Object.fromEntries(Object.keys(expected).map((name) => [name, series.get(name)]));
    assert.deepEqual(found, expected);
  });

  test("a name that nobody registered is other, and so is whatever has no place any more: sums stay true", () => {
    const metrics = metricsOf(names(30, "q"), names(300, "t"));
    const pairs = 30 * 301;
    for (const queue of names(30, "q")) {
      for (const type of [...names(300, "t"), "nobody's"]) {
        metrics.tasks.claimed(queue, 1, 1);
        metrics.tasks.ended(queue, type, OUTCOME.done);
        metrics.tasks.failed(type, "error");
        metrics.tasks.ran(type, 1);
        metrics.tasks.killed(type);
      }
    }
    for (const name of names(500, "/route/")) metrics.answered(name, "GET", "2xx", 1);
    for (const name of names(500, "schedule-")) metrics.fired({ name, queue: `of-${name}` }, 1);
    const text = textOf(metrics);
    const series = seriesIn(text);
    assert.ok(series.size <= MOST_SERIES - 50, `${series.size} series, and 50 gauges`);
    for (const name of ["taskexe_tasks_claimed_total", "taskexe_attempts_total", "taskexe_attempt_failures_total"]) {
      assert.equal(sumOf(series, name), pairs, name);
    }
    assert.equal(sumOf(series, "taskexe_tasks_killed_total"), pairs);
    assert.equal(sumOf(series, "taskexe_attempt_duration_seconds_count"), pairs);
    assert.equal(sumOf(series, "taskexe_wait_duration_seconds_count"), pairs);
    assert.equal(sumOf(series, "taskexe_http_requests_total"), 500);
    assert.equal(sumOf(series, "taskexe_schedule_fires_total"), 500);
    assert.equal(sumOf(series, "taskexe_enqueued_total", 'via="schedule"'), 500);
    assert.doesNotMatch(text, /nobody's/);
    assert.equal(promtoolSays(text), "");
  });

  test("the busy ones of many types have series of their own", () => {
    const metrics = metricsOf(["common"], names(300, "t"));
    for (const type of ["t299", "t7"]) metrics.tasks.ended("common", type, OUTCOME.done);
    const series = seriesIn(textOf(metrics));
    for (const type of ["t299", "t7"]) {
      assert.equal(series.get(`taskexe_attempts_total{queue="common",type="${type}",outcome="done"}`), 1);
    }
  });

  test("a hostile name stays within its quotes", () => {
    const type = 'a"b\\c\nd{}';
    const text = textOf(metricsOf(["common"], [type]));
    assert.match(text, /type="a\\"b\\\\c\\nd\{\}"/);
    assert.equal(promtoolSays(text), "");
  });

  test("200 types and 20 queues are written out in under 20 ms", () => {
    const metrics = metricsOf(names(20, "q"), names(200, "t"));
    for (const queue of names(20, "q")) {
      for (const type of names(200, "t")) metrics.tasks.ended(queue, type, OUTCOME.done);
    }
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 50 && best >= 20; round++) {
      const begunAt = performance.now();
      textOf(metrics);
      best = Math.min(best, performance.now() - begunAt);
    }
    assert.ok(best < 20, `${best} ms`);
  });
});
