/**
 * Every number that people look at, over a fleet in which nothing moves any more: the page, `top`, `list`, `types`,
 * /status, /metrics and /metrics/broker tell the same, on both brokers.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { requestOf } from "../../stage/outcomes.ts";
import { seriesIn, sumOf } from "../../stage/prometheus.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/work.ts": `import { defineTask, sleep } from "taskexe";
    export const holds = defineTask({ type: "holds", run: ({ signal }) => sleep(600_000, signal) });
    export const fails = defineTask({ type: "fails", attempts: 2, backoff: { kind: "fixed", delay_ms: 1 },
      run() { throw new Error("as ever"); } });
    export const good = defineTask({ type: "good", run: () => "good" });`,
};
const SLOTS = 2;
const HELD = ["held-0", "held-1", "held-2", "held-3"];
const WAITING = ["waits-0", "waits-1", "waits-2"];

/** What each source tells; those that know no more of a number leave it out. */
const EXPECTED = { waiting: 3, running: 4, slots: 4, done: 2, failed: 2, dead: 1 };

for (const kind of ["redis", "sqlite"] as const) {
  test(`over ${kind}, waiting, running, slots, done, failed, dead and oldest are the same everywhere`, SLOW, () =>
    Stage.with(async (stage) => {
      const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      const tasks = await stage.write(TASKS);
      const start = (name: string) => stage.executor({ broker: url, tasks, name, concurrency: SLOTS });
      const executors = [await start("one"), await start("two")] as const;
      const [one] = executors;
      const broker = await stage.client(url);
      await broker.enqueue([
        requestOf("d1", "good", null),
        requestOf("d2", "good", null),
        requestOf("x", "fails", null),
      ]);
      for (const id of ["d1", "d2"]) await recordOnce("done", one, broker, id);
      await recordOnce("dead", one, broker, "x");
      await broker.enqueue(HELD.map((id) => requestOf(id, "holds", null)));
      for (const id of HELD) await recordOnce("running", one, broker, id);
      await broker.enqueue(WAITING.map((id) => requestOf(id, "holds", null)));
      for (const id of WAITING) await recordOnce("queued", one, broker, id);
      const oldest = (await broker.record("waits-0"))?.enqueued_at ?? 0;
      const json = async (...args: string[]) =>
        JSON.parse((await stage.run([...args, "--json", "--broker", url])).stdout);

      for (const executor of executors) {
        await untilBy(executor, "it has read what the fleet has told", async () => {
          const { queues, fleet } = await executor.status();
          const told = (key: string) => fleet.reduce((sum, { beat }) => sum + Number(beat?.[key] ?? 0), 0);
          return queues[0]?.queued === 3 && told("slots_taken") === 4 && told("retried") === 1 && told("dead") === 1;
        });
      }

      for (const executor of executors) {
        // /status: its own counts are of one executor, so both are summed.
        const statuses = await Promise.all(executors.map((each) => each.status()));
        const own = (key: "concurrency" | "done" | "failed") => statuses.reduce((sum, each) => sum + each[key], 0);
        const [queue] = (await executor.status()).queues;
        const status = { waiting: queue?.queued, running: queue?.running, dead: queue?.dead };
        assert.deepEqual({ ...status, slots: own("concurrency"), done: own("done"), failed: own("failed") }, EXPECTED);
        assert.equal(
          statuses.reduce((sum, each) => sum + each.slots_taken, 0),
          EXPECTED.running,
        );

        // The page: what is read there, not what it was made of.
        const { body: page } = await executor.get("/ui");
        const tile = (label: string) => {
          const found = new RegExp(`>${label}</[a-z]+>(?:<[^>]+>)*([\\d\u202f ]+)<`).exec(page);
          return Number(found?.[1]?.replaceAll(/\D/g, "") ?? Number.NaN);
        };
        const { waiting, running, dead, done } = EXPECTED;
        assert.deepEqual(["Waiting", "Running", "Failed attempts", "Dead", "Done"].map(tile), [
          waiting,
          running,
          EXPECTED.failed,
          dead,
          done,
        ]);
        assert.match(page, /4 of 4 slots busy/);
        const { body: fleet } = await executor.get("/ui/executors");
        const cells = fleet.slice(0, fleet.indexOf("</table>")).matchAll(/<td class="n wide">(\d+)<\/td>/g);
        const figures = [...cells].map(([, figure]) => Number(figure));
        const column = (first: number) =>
          figures.filter((_, at) => at % 2 === first).reduce((sum, each) => sum + each, 0);
        assert.deepEqual([column(0), column(1)], [done, EXPECTED.failed], "done and failed attempts, by executor");

        // /metrics, of both; /metrics/broker, the same from each.
        const metrics = await Promise.all(executors.map(async (each) => seriesIn((await each.get("/metrics")).body)));
        const counted = (name: string, ...labels: string[]) =>
          metrics.reduce((sum, series) => sum + sumOf(series, name, ...labels), 0);
        assert.deepEqual(
          {
            ...{ running: counted("taskexe_slots_busy"), slots: counted("taskexe_slots") },
            done: counted("taskexe_attempts_total", 'outcome="done"'),
            failed: counted("taskexe_attempt_failures_total"),
            dead: counted("taskexe_attempts_total", 'outcome="dead"'),
          },
          { running, slots: EXPECTED.slots, done, failed: EXPECTED.failed, dead },
        );
        const before = Date.now();
        const ofBroker = seriesIn((await executor.get("/metrics/broker")).body);
        const held = (state: string) => ofBroker.get(`taskexe_queue_tasks{queue="common",state="${state}"}`);
        assert.deepEqual(["queued", "running", "dead", "done"].map(held), [waiting, running, dead, done]);
        const age = ofBroker.get('taskexe_queue_oldest_seconds{queue="common"}') ?? 0;
        assert.ok(Math.abs(before - age * 1_000 - oldest) < 5_000, `the oldest waits since ${oldest}, told ${age} s`);

        // What programs ask over HTTP.
        const queues = JSON.parse((await executor.get("/api/v1/queues")).body).queues;
        assert.deepEqual(
          [queues[0].queued, queues[0].running, queues[0].dead, queues[0].done],
          [...[waiting, running, dead, done]],
        );
      }

      const top = await json("top");
      assert.deepEqual(
        [top.queues[0].queued, top.queues[0].running, top.queues[0].dead, top.queues[0].done],
        [EXPECTED.waiting, EXPECTED.running, EXPECTED.dead, EXPECTED.done],
      );
      const beats = (key: string) =>
        top.fleet.reduce((sum: number, { beat }: { beat: Record<string, number> }) => sum + (beat[key] ?? 0), 0);
      assert.deepEqual(
        [beats("slots_taken"), beats("concurrency"), beats("done"), beats("dead"), beats("retried") + beats("dead")],
        [EXPECTED.running, EXPECTED.slots, EXPECTED.done, EXPECTED.dead, EXPECTED.failed],
      );
      for (const [state, count] of [
        ["queued", EXPECTED.waiting],
        ["running", EXPECTED.running],
        ["dead", EXPECTED.dead],
        ["done", EXPECTED.done],
      ] as const) {
        assert.equal((await json("list", "--state", state)).tasks.length, count, state);
      }
      const { types } = await json("types");
      const total = (key: string) =>
        types.reduce((sum: number, type: Record<string, number>) => sum + (type[key] ?? 0), 0);
      assert.deepEqual(
        [total("running"), total("done"), total("retried") + total("dead"), total("dead")],
        [EXPECTED.running, EXPECTED.done, EXPECTED.failed, EXPECTED.dead],
      );
    }),
  );
}
