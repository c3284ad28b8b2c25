/** What an executor tells of its work by type: percentiles out of buckets, rates of the last minute, within a bound. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ExecutorMetrics } from "../../src/metrics/executor-metrics.ts";
import { LastMinute, NOTE_MS } from "../../src/metrics/last-minute.ts";
import { percentilesOf } from "../../src/metrics/percentiles.ts";
import { OUTCOME } from "../../src/metrics/task-series.ts";
import { MOST_WORK_BYTES, workJson } from "../../src/metrics/work-json.ts";
import { typeFigures } from "../../src/operations/views/type-view.ts";

const BOUNDS = [1, 2, 10];

function tasksOf(types: readonly string[]) {
  const knows = (type: string) => types.includes(type);
  return new ExecutorMetrics({ operations: [], queues: ["common"], types: () => types, knows }).tasks;
}

test("within a bucket values lie evenly; above all bounds the last bound is told; nothing counted is null", () => {
  assert.deepEqual(percentilesOf([100, 0, 0, 0], BOUNDS), { p50: 0.5, p95: 0.95, p99: 0.99 });
  assert.deepEqual(percentilesOf([50, 0, 50, 0], BOUNDS), { p50: 1, p95: 9.2, p99: 9.84 });
  assert.deepEqual(percentilesOf([0, 0, 0, 7], BOUNDS), { p50: 10, p95: 10, p99: 10 });
  assert.equal(percentilesOf([0, 0, 0, 0], BOUNDS), null);
  assert.equal(percentilesOf([], BOUNDS), null);
});

test("the rate is of the last minute: what grew before counts no more", () => {
  const minute = new LastMinute();
  minute.note(0, new Map());
  assert.deepEqual(minute.of("a", 5_000, [4, 1]), [4, 1], "since the start, where that is less than a minute ago");
  for (let at = NOTE_MS; at <= 120_000; at += NOTE_MS) minute.note(at, new Map([["a", [100, 2]]]));
  assert.deepEqual(minute.of("a", 125_000, [100, 2]), [0, 0]);
  assert.deepEqual(minute.of("a", 120_000, [160, 5]), [60, 3]);
  assert.deepEqual(minute.of("b", 120_000, [7, 0]), [7, 0]);
});

test("what two executors have counted is summed by type, and percentiles are of both together", () => {
  const work = (runs: number, seconds: number) => {
    const tasks = tasksOf(["sum"]);
    for (let run = 0; run < runs; run++) {
      tasks.ended("common", "sum", OUTCOME.done);
      tasks.ran("sum", seconds, 0.0005);
    }
    tasks.ended("common", "sum", OUTCOME.retry);
    return workJson(tasks, new Map([["sum", 2]]), new LastMinute(), 0);
  };
  const [one, other] = [work(90, 0.001), work(10, 4_000)];
  const figures = typeFigures([one, other]).get("sum");
  assert.ok(figures);
  assert.deepEqual(
    [figures.running, figures.done, figures.retried, figures.dead, figures.done_per_minute, figures.failed_per_minute],
    [4, 100, 2, 0, 100, 2],
  );
  assert.ok(figures.run_ms && figures.run_ms.p50 < 5, JSON.stringify(figures));
  assert.deepEqual([figures.run_ms.p95, figures.run_ms.p99], [3_600_000, 3_600_000]);
  assert.ok(figures.wait_ms && figures.wait_ms.p99 <= 1);
});

test("what is told stays within its bound, and says how much is left out", () => {
  const types = Array.from({ length: 30 }, (_, index) => `${"long".repeat(60)}-${index}`);
  const tasks = tasksOf(types);
  for (const type of types) {
    tasks.ended("common", type, OUTCOME.done);
    tasks.ran(type, 100, 100);
  }
  const told = workJson(tasks, new Map(), new LastMinute(), 0);
  assert.ok(Buffer.byteLength(JSON.stringify(told)) < MOST_WORK_BYTES + 100);
  assert.ok((told.left_out ?? 0) > 0 && told.pairs.length > 10);
  const again = workJson(tasks, new Map(), new LastMinute(), 0);
  assert.deepEqual(again, told, "the same ones each time");
});
