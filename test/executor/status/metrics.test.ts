/** `GET /metrics` of a real executor: what Prometheus reads, who may, and that it is true. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { promtoolSays, seriesIn, sumOf } from "../../stage/prometheus.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/work.ts": `import { defineTask, sleep } from "taskexe";
    import * as v from "valibot";
    export const holds = defineTask({ type: "holds", run: ({ signal }) => sleep(600_000, signal) });
    export const slow = defineTask({ type: "slow", timeoutMs: 30, attempts: 1,
      run: ({ signal }) => sleep(600_000, signal) });
    export const fails = defineTask({ type: "fails", attempts: 2, backoff: { kind: "fixed", delay_ms: 1 },
      run() { throw new Error("as ever"); } });
    export const strict = defineTask({ type: "strict", payload: v.object({ n: v.number() }), run: () => null });
    export const good = defineTask({ type: "good", run: () => "good" });
    export const parent = defineTask({ type: "parent", run: ({ enqueue }) => enqueue("good", {}).then(() => null) });`,
};

async function scraped(executor: ExecutorProcess): Promise<Map<string, number>> {
  const { code, body } = await executor.get("/metrics");
  assert.equal(code, 200, body);
  assert.equal(promtoolSays(body), "");
  return seriesIn(body);
}

for (const kind of ["redis", "sqlite"] as const) {
  test(`over ${kind}, /metrics tells what /status tells, by queue, type and reason`, SLOW, () =>
    Stage.with(async (stage) => {
      const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      const executor = await stage.executor({ broker: url, tasks: await stage.write(TASKS), concurrency: 7 });
      const atFirst = await scraped(executor);
      assert.equal(atFirst.get('taskexe_attempts_total{queue="common",type="good",outcome="done"}'), 0);
      assert.equal(atFirst.get('taskexe_attempt_failures_total{type="fails",reason="crash"}'), 0);
      assert.equal(atFirst.get("taskexe_slots"), 7);
      assert.equal(atFirst.get("taskexe_broker_up"), 1);
      assert.equal(atFirst.get('taskexe_executor_state{state="running"}'), 1);

      const broker = await stage.client(url);
      const tasks = ["good", "fails", "slow", "strict", "parent", "nobody"];
      await broker.enqueue(tasks.map((type) => requestOf(type, type, {})));
      for (const id of ["fails", "slow", "strict"]) await recordOnce("dead", executor, broker, id);
      for (const id of ["good", "parent"]) await recordOnce("done", executor, broker, id);
      await broker.enqueue([requestOf("held", "holds", {}), requestOf("cancelled", "holds", {})]);
      for (const id of ["held", "cancelled"]) await recordOnce("running", executor, broker, id);
      await broker.cancel(["cancelled"]);
      await recordOnce("cancelled", executor, broker, "cancelled");
      await recordOnce("retrying", executor, broker, "nobody");
      await executor.get("/no/such/path");

      await untilBy(executor, "all of it is counted", async () => {
        const { done, dead, cancelled } = await executor.status();
        return done === 3 && dead === 3 && cancelled === 1;
      });
      // The task that nobody knows is tried again now and then: nothing of it may be counted between the two looks.
      const [status, series] = await frozen(executor);
      const { done, dead, cancelled, retried, failed, lost, abandoned } = status;
      const outcome = (name: string) => sumOf(series, "taskexe_attempts_total", `outcome="${name}"`);
      assert.deepEqual(
        [outcome("done"), outcome("dead"), outcome("cancelled"), outcome("retry"), outcome("lost")],
        [done, dead, cancelled, retried, lost],
      );
      assert.equal(sumOf(series, "taskexe_attempt_failures_total"), failed, "each failure has one reason");
      assert.equal(series.get("taskexe_slots"), status.concurrency);
      assert.equal(series.get("taskexe_slots_busy"), status.slots_taken);
      assert.equal(series.get("taskexe_tasks_abandoned"), abandoned);
      const reasons = ["fails error", "slow timeout", "strict payload", "other unknown_type"].map((pair) => {
        const [type, reason] = pair.split(" ");
        return series.get(`taskexe_attempt_failures_total{type="${type}",reason="${reason}"}`) ?? 0;
      });
      assert.deepEqual(reasons.slice(0, 3), [2, 1, 1]);
      assert.equal(reasons[3], retried - 1, "a type that nobody registered is other");
      const claimed = series.get('taskexe_tasks_claimed_total{queue="common"}') ?? 0;
      assert.equal(claimed, done + dead + cancelled + retried + status.slots_taken);
      assert.equal(series.get('taskexe_wait_duration_seconds_count{queue="common"}'), claimed);
      assert.equal(series.get('taskexe_enqueued_total{queue="common",via="client"}'), 1, "by a handler");
      assert.equal(series.get('taskexe_attempt_duration_seconds_count{type="good"}'), 2);
      assert.equal(series.get('taskexe_attempt_duration_seconds_count{type="slow"}'), 1);
      const slow = series.get('taskexe_attempt_duration_seconds_sum{type="slow"}') ?? 0;
      assert.ok(slow >= 0.03 && slow < 60, `${slow} s`);
      assert.equal(series.get("taskexe_cancel_latency_seconds_count"), 1);
      assert.equal(series.get('taskexe_http_requests_total{route="none",method="GET",code="4xx"}'), 1);
      assert.ok((series.get('taskexe_http_requests_total{route="/metrics",method="GET",code="2xx"}') ?? 0) >= 1);
      assert.ok((series.get("taskexe_heartbeat_age_seconds") ?? 99) < 60);
      assert.ok((series.get('taskexe_broker_operation_duration_seconds_count{operation="complete"}') ?? 0) > 0);
    }),
  );
}

for (const kind of ["redis", "sqlite"] as const) {
  test(`over ${kind}, /metrics/broker tells what the broker holds, the same from every executor`, SLOW, () =>
    Stage.with(async (stage) => {
      const redis = kind === "redis" ? await stage.redis() : null;
      const url = redis?.url ?? `sqlite:${join(stage.folder, "queue.db")}`;
      const tasks = await stage.write(TASKS);
      const start = (name: string) =>
        stage.executor({
          broker: url,
          tasks,
          name,
          concurrency: 1,
          args: ["--queues", name === "one" ? "common" : "b"],
        });
      const executors = [await start("one"), await start("two")] as const;
      const broker = await stage.client(url);
      await broker.enqueue([requestOf("bad", "fails", {}), requestOf("good", "good", {})]);
      await recordOnce("dead", executors[0], broker, "bad");
      await recordOnce("done", executors[0], broker, "good");
      await broker.enqueue(["holds", "waits"].map((id) => requestOf(id, "holds", {})));
      await broker.pause({ kind: "type", name: "strict" });
      await broker.pause({ kind: "queue", name: "b" });
      await broker.enqueue([{ ...requestOf("in-b", "good", {}), queue: "b" }]);
      await recordOnce("running", executors[0], broker, "holds");

      const look = async (executor: ExecutorProcess) => {
        const { code, body } = await executor.get("/metrics/broker");
        assert.equal(code, 200, body);
        assert.equal(promtoolSays(body), "");
        return seriesIn(body);
      };
      const tasksIn = (series: ReadonlyMap<string, number>) => (queue: string, state: string) =>
        series.get(`taskexe_queue_tasks{queue="${queue}",state="${state}"}`);
      const isAge = (name: string) => /oldest|memory|wal|file/.test(name);
      const still = (series: ReadonlyMap<string, number>) => [...series].filter(([name]) => !isAge(name));
      const one = await untilBy(executors[0], "both have seen it, and tell the same", async () => {
        const [first, second] = [await look(executors[0]), await look(executors[1])];
        const hasAll = tasksIn(first)("common", "running") === 1 && tasksIn(first)("b", "queued") === 1;
        return hasAll && JSON.stringify(still(first)) === JSON.stringify(still(second)) && first;
      });
      const status = await executors[0].status();
      for (const queue of status.queues) {
        for (const state of ["queued", "running", "scheduled", "dead", "done", "cancelled"] as const) {
          assert.equal(tasksIn(one)(queue.name, state), queue[state], `${queue.name} ${state}`);
        }
      }
      assert.equal(tasksIn(one)("common", "queued"), 1);
      const oldest = one.get('taskexe_queue_oldest_seconds{queue="common"}') ?? 0;
      assert.ok(oldest > 0 && oldest < 100, `${oldest} s`);
      assert.equal(one.get('taskexe_type_paused{type="strict"}'), 1);
      assert.equal(one.get('taskexe_queue_paused{queue="b"}'), 1);
      assert.equal(one.get('taskexe_type_paused{type="good"}'), 0);
      assert.equal(one.get('taskexe_executors{state="running"}'), 2);
      if (kind === "sqlite") assert.ok((one.get("taskexe_sqlite_file_bytes") ?? 0) > 4_000);
      else {
        assert.ok((one.get("taskexe_broker_used_memory_bytes") ?? 0) > 100_000);
        assert.equal(one.get("taskexe_broker_evicting"), 0);
      }
      executors[0].kill("SIGTERM");
      await untilBy(executors[1], "the other one has heard that it drains", async () => {
        return (await look(executors[1])).get('taskexe_executors{state="draining"}') === 1;
      });
      if (redis === null) return;
      await redis.stop();
      await untilBy(executors[1], "it says that it does not know", async () => {
        return (await executors[1].get("/metrics/broker")).code === 503;
      });
      const after = await executors[1].get("/metrics");
      assert.equal(seriesIn(after.body).get("taskexe_broker_up"), 0, "what is counted here is told all the same");
    }),
  );
}

test("what comes over HTTP is counted by its route's template, with what was enqueued", SLOW, () =>
  Stage.with(async (stage) => {
    const executor = await stage.executor({ tasks: await stage.write(TASKS) });
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ tasks: [{ type: "good" }, { type: "good" }] });
    assert.equal((await fetch(`${executor.url}/api/v1/tasks`, { method: "POST", headers, body })).status, 200);
    for (const id of ["a", "b", "c"]) await executor.get(`/api/v1/tasks/${id}`);
    const series = await scraped(executor);
    assert.equal(series.get('taskexe_enqueued_total{queue="common",via="http"}'), 2);
    const requests = (labels: string) => series.get(`taskexe_http_requests_total{${labels}}`);
    assert.equal(requests('route="/api/v1/tasks",method="POST",code="2xx"'), 1);
    assert.equal(requests('route="/api/v1/tasks/:id",method="GET",code="4xx"'), 3);
  }),
);

test("runners that are gone are counted by the reason, from 0", SLOW, () =>
  Stage.with(async (stage) => {
    const tasks = await stage.write({
      "tasks/dies.ts": `import { defineTask } from "taskexe";
        export default defineTask({ type: "dies", run: () => process.exit(3) });`,
    });
    const executor = await stage.executor({
      tasks,
      args: ["--isolation", "shared"],
      env: { TASKEXE_CRASH_BUDGET: "0" },
    });
    const restarts = (series: ReadonlyMap<string, number>, reason: string) =>
      series.get(`taskexe_runner_restarts_total{reason="${reason}"}`);
    const atFirst = await scraped(executor);
    assert.deepEqual(
      ["crash", "killed", "memory", "tasks", "reload"].map((reason) => restarts(atFirst, reason)),
      [0, 0, 0, 0, 0],
    );
    const headers = { "content-type": "application/json" };
    await fetch(`${executor.url}/api/v1/tasks`, { method: "POST", headers, body: JSON.stringify({ type: "dies" }) });
    await untilBy(executor, "the runner has died", async () => (restarts(await scraped(executor), "crash") ?? 0) >= 1);
    const series = await scraped(executor);
    assert.equal(restarts(series, "killed"), 0);
    assert.equal((await executor.status()).runners?.restarts.crash, restarts(series, "crash"));
    await untilBy(executor, "its crash is the reason of the failure", async () => {
      return (sumOf(await scraped(executor), "taskexe_attempt_failures_total", 'reason="crash"') ?? 0) >= 1;
    });
  }),
);

/** Status and metrics of a moment in which nothing was counted between the two. */
async function frozen(executor: ExecutorProcess) {
  for (;;) {
    const before = await executor.status();
    const series = await scraped(executor);
    const after = await executor.status();
    const figures = ({ done, retried, slots_taken }: typeof before) => `${done} ${retried} ${slots_taken}`;
    if (figures(before) === figures(after)) return [after, series] as const;
  }
}
