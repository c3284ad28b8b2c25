/** A status source for the HTTP tests: everything is there, and each part can be replaced. */
import { sleepForever } from "../../src/concurrency/index.ts";
import type { ExecutorStatus, StatusSource } from "../../src/executor/status/status.ts";
import { ExecutorMetrics } from "../../src/metrics/executor-metrics.ts";
import { History } from "../../src/metrics/history.ts";

export const STATUS: ExecutorStatus = {
  name: "task_executor_common_test_0",
  pid: 4242,
  version: "0.1.0",
  state: "running",
  boot_at: "2026-08-01T10:00:00.000+00:00",
  now: "2026-08-01T10:00:05.000+00:00",
  uptime_s: 5,
  concurrency: 5,
  slots_taken: 1,
  current: {
    "0a1b": {
      type: "sum",
      attempt: 1,
      progress: 0.5,
      message: "10:00:04 half",
      started_at: "2026-08-01T10:00:04.000+00:00",
      queue: "common",
    },
  },
  done: 7,
  dead: 1,
  cancelled: 0,
  failed: 2,
  retried: 1,
  lost: 0,
  left: 0,
  stops: { heeded: 0, killed: 0, abandoned: 0, last: [] },
  abandoned: 0,
  counted_at: "2026-08-01T10:00:04.500+00:00",
  pending: 1,
  lag: 2,
  memory: { rss_bytes: 50_000_000, heap_bytes: 5_000_000, max_rss_bytes: 60_000_000 },
  broker: {
    kind: "redis",
    url: "redis://127.0.0.1:6379/1",
    state: "connected",
    connected: true,
    last_error: null,
    warnings: [],
  },
  vanished: { count: 0, ids: [], counted_at: null },
  queues: [
    ...[
      {
        name: "common",
        queued: 2,
        running: 1,
        scheduled: 0,
        dead: 0,
        done: 7,
        cancelled: 0,
        paused: false,
        executors: 1,
      },
    ],
  ],
  fleet: [],
};

export const TREE: Awaited<ReturnType<StatusSource["tree"]>> = {
  name: "root",
  kind: "root",
  state: "running",
  ageMs: 5_000,
  children: [
    { name: "intake", kind: "task", state: "running", ageMs: 4_999, children: [] },
    {
      name: "attempt \u001b[31m0a1b",
      kind: "task",
      state: "cancelling",
      ageMs: 61_000,
      cancellingMs: 2_000,
      children: [{ name: "download", kind: "task", state: "running", ageMs: 900, children: [] }],
    },
  ],
};

export function fakeSource(parts: Partial<StatusSource> = {}): StatusSource {
  const counts = new ExecutorMetrics({ operations: [], queues: ["common"], types: () => ["sum"], knows: () => true });
  return {
    look: async () => {},
    status: () => STATUS,
    readiness: () => ({ ready: true }),
    tree: async () => TREE,
    metrics: {
      counts,
      history: new History(0),
      keepHistory: sleepForever,
      text: () => "# nothing\n",
      ofBroker: () => null,
    },
    ...parts,
  };
}
