/**
 * A fleet in which nothing moves any more, on both brokers: `top`, `status`, `/status`, `list` and the API count the
 * same, each says when, and what ended in different ways is told apart.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/work.ts": `import { defineTask, sleep } from "taskexe";
    export const holds = defineTask({ type: "holds", run: ({ signal }) => sleep(600_000, signal) });
    export const fails = defineTask({ type: "fails", attempts: 3, backoff: { kind: "fixed", delay_ms: 1 },
      run() { throw new Error("as ever"); } });
    export const good = defineTask({ type: "good", run: () => "good" });`,
};

const HELD = ["held-0", "held-1", "held-2", "held-3", "held-4", "held-5"];
const SLOTS = 4;

for (const kind of ["redis", "sqlite"] as const) {
  describe(`over ${kind}`, () => {
    let stage: Stage;
    let url: string;
    let executors: readonly ExecutorProcess[];
    let broker: Broker;

    const json = async (...args: string[]) =>
      JSON.parse((await stage.run([...args, "--json", "--broker", url])).stdout);
    const text = async (...args: string[]) => (await stage.run([...args, "--broker", url])).stdout;

    before(async () => {
      stage = Stage.make();
      url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      const tasks = await stage.write(TASKS);
      const start = (name: string) => stage.executor({ broker: url, tasks, name, concurrency: SLOTS });
      executors = [await start("one"), await start("two")];
      const [one] = executors;
      assert.ok(one);
      broker = await stage.client(url);
      await broker.enqueue([requestOf("dead", "fails", null), requestOf("done", "good", null)]);
      await recordOnce("dead", one, broker, "dead");
      await recordOnce("done", one, broker, "done");
      await broker.enqueue([...HELD, "cancelled"].map((id) => requestOf(id, "holds", null)));
      await recordOnce("running", one, broker, "cancelled");
      await broker.cancel(["cancelled"]);
      await recordOnce("cancelled", one, broker, "cancelled");
      for (const id of HELD) await recordOnce("running", one, broker, id);
      // Its last change is told by every source: a beat, a second later at the most, and what /status has read.
      await untilBy(one, "the fleet has told all of it", async () => {
        const statuses = await Promise.all(executors.map((executor) => executor.status()));
        const told = (key: string) =>
          statuses[0]?.fleet.reduce((sum, { beat }) => sum + Number(beat?.[key] ?? 0), 0) ?? 0;
        const counted = statuses.every(
          ({ queues }) => queues[0]?.running === HELD.length && queues[0]?.cancelled === 1,
        );
        return counted && told("slots_taken") === HELD.length && told("cancelled") === 1 && told("dead") === 1;
      });
    }, SLOW);
    after(() => stage.end());

    test("top's head is the sum of its rows, and the same as what is listed", SLOW, async () => {
      const frame = await text("top", "--once");
      assert.match(frame, /2 executors, 6 of 8 slots taken; 0 queued, 0 scheduled, 1 dead/);
      const rows = [...frame.matchAll(/^(?:one|two) +(\d)\/4 +(\d) +(\d) +(\d) /gm)];
      const sums = [1, 2, 3, 4].map((column) => rows.reduce((sum, row) => sum + Number(row[column]), 0));
      assert.deepEqual(sums, [HELD.length, 1, 1, 1], frame);
      assert.doesNotMatch(frame, /never|NaN/);
      const listed = (await json("list", "--state", "running")).tasks;
      assert.deepEqual(listed.map(({ id }: { id: string }) => id).toSorted(), HELD);
    });

    test("status, /status, top and the API count the same, and each says when", SLOW, async () => {
      const began = Date.now();
      const ofBroker = await json("status");
      const ofTop = await json("top");
      const [one] = executors;
      assert.ok(one);
      const ofApi = JSON.parse((await one.get("/api/v1/queues")).body);
      assert.ok(Math.abs(ofApi.counted_at - began) < 20_000);
      for (const { counted_at } of [ofBroker, ofTop]) assert.ok(Math.abs(Date.parse(counted_at) - began) < 20_000);
      const expected = {
        name: "common",
        queued: 0,
        running: 6,
        scheduled: 0,
        dead: 1,
        done: 1,
        cancelled: 1,
        paused: false,
        executors: 2,
      };
      const statuses = await Promise.all(executors.map((executor) => executor.status()));
      for (const { queues } of [ofBroker, ofTop, ofApi, ...statuses]) assert.deepEqual(queues, [expected]);
      assert.deepEqual([ofBroker.pending, ofBroker.lag], [6, 0]);
      for (const status of statuses) {
        assert.deepEqual([status.pending, status.lag], [6, 0]);
        assert.ok(Math.abs(Date.parse(status.counted_at ?? "") - began) < 20_000, `counted at ${status.counted_at}`);
        assert.deepEqual(status.fleet.map(({ name }) => name).toSorted(), ["one", "two"], "itself is among them");
        const own = status.fleet.find(({ name }) => name === status.name)?.beat;
        const told = (await broker.member(status.name))?.beat?.current ?? {};
        const { slots_taken, done, dead, cancelled, retried, failed, current } = status;
        assert.deepEqual(
          { slots_taken, done, dead, cancelled, retried, current: Object.keys(current).toSorted() },
          {
            ...{ slots_taken: own?.slots_taken, done: own?.done, dead: own?.dead, cancelled: own?.cancelled },
            ...{ retried: own?.retried, current: Object.keys(told).toSorted() },
          },
        );
        assert.equal(failed, dead + retried, "attempts that failed");
        assert.equal(own?.failed, dead + cancelled, "as the wire contract counts it");
        assert.match(await text("status", "--url", `http://127.0.0.1:${executors[0]?.port}`), /counted at 20/);
      }
      const sum = (key: "slots_taken" | "done" | "dead" | "cancelled" | "retried" | "failed") =>
        statuses.reduce((total, status) => total + status[key], 0);
      const sums = (["slots_taken", "done", "dead", "cancelled", "retried", "failed"] as const).map(sum);
      assert.deepEqual(sums, [6, 1, 1, 1, 2, 3]);
    });

    test("a running task says since when it runs, the same everywhere, though it has told nothing", SLOW, async () => {
      const statuses = await Promise.all(executors.map((executor) => executor.status()));
      const current = new Map(statuses.flatMap((status) => Object.entries(status.current)));
      const listed: { id: string; started_at: number }[] = (await json("list", "--state", "running")).tasks;
      assert.equal(listed.length, HELD.length);
      for (const { id, started_at } of listed) {
        const shown = await json("task", id);
        assert.equal(shown.started_at, started_at);
        const own = Date.parse(current.get(id)?.started_at ?? "");
        assert.ok(Math.abs(started_at - own) <= (kind === "redis" ? 1 : 1_000), `${id}: ${started_at}, not ${own}`);
      }
    });
  });
}
