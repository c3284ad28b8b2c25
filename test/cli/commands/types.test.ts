/** `taskexe types`, the API and /status tell the same of a fleet, whoever of it is asked. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { requestOf } from "../../stage/outcomes.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/work.ts": `import { defineTask, sleep } from "taskexe";
    export const good = defineTask({ type: "good", run: ({ signal }) => sleep(30, signal) });
    export const fails = defineTask({ type: "fails", attempts: 2, backoff: { kind: "fixed", delay_ms: 1 },
      run() { throw new Error("as ever"); } });
    export const holds = defineTask({ type: "holds", run: ({ signal }) => sleep(600_000, signal) });`,
};
const GOOD = ["g0", "g1", "g2", "g3", "g4", "g5"];

for (const kind of ["redis", "sqlite"] as const) {
  test(`over ${kind}, types are told with what runs, how it ended and how long it took, over the fleet`, SLOW, () =>
    Stage.with(async (stage) => {
      const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      const tasks = await stage.write(TASKS);
      const start = (name: string) => stage.executor({ broker: url, tasks, name, concurrency: 2 });
      const [one, two] = [await start("one"), await start("two")];
      const broker = await stage.client(url);
      await broker.enqueue(GOOD.map((id) => requestOf(id, "good", null)));
      await broker.enqueue([requestOf("f", "fails", null)]);
      for (const id of GOOD) await recordOnce("done", one, broker, id);
      await recordOnce("dead", one, broker, "f");
      await broker.enqueue([requestOf("h", "holds", null)]);
      await recordOnce("running", one, broker, "h");
      await broker.pause({ kind: "type", name: "later" });

      const cli = async () => JSON.parse((await stage.run(["types", "--json", "--broker", url])).stdout);
      const find = ({ types }: { types: readonly { type: string }[] }, name: string) =>
        types.find(({ type }) => type === name) as Record<string, unknown> | undefined;
      await untilBy(one, "the fleet has told all of it", async () => {
        const seen = await cli();
        return find(seen, "good")?.done === 6 && find(seen, "fails")?.dead === 1 && find(seen, "holds")?.running === 1;
      });
      const seen = await cli();
      const good = find(seen, "good");
      assert.deepEqual(
        [good?.executors, good?.running, good?.retried, good?.done_per_minute, good?.failed_per_minute, good?.paused],
        [2, 0, 0, 6, 0, false],
      );
      const ran = good?.run_ms as { p50: number; p99: number };
      assert.ok(ran.p50 >= 25 && ran.p99 >= ran.p50, JSON.stringify(good));
      assert.ok(good?.wait_ms !== null);
      const fails = find(seen, "fails");
      assert.deepEqual([fails?.retried, fails?.dead, fails?.done, fails?.failed_per_minute], [1, 1, 0, 2]);
      assert.deepEqual([find(seen, "later")?.paused, find(seen, "later")?.run_ms], [true, null]);

      for (const executor of [one, two]) {
        const ofApi = JSON.parse((await executor.get("/api/v1/types")).body);
        for (const name of ["good", "fails", "holds", "later"]) {
          const { loaded: _loaded, ...told } = find(ofApi, name) ?? {};
          assert.deepEqual(told, find(seen, name));
        }
      }
      const statuses = await Promise.all([one, two].map((executor) => executor.status()));
      const sum = statuses.reduce((all, { types }) => all + (types?.good?.done ?? 0), 0);
      assert.equal(sum, 6, "each executor tells its own in /status");
      const table = (await stage.run(["types", "--broker", url])).stdout;
      assert.match(table, /^type +executors +running +done\/min +failed\/min +done +failed +run p50\/p95\/p99 +wait/);
      assert.match(table, /^good +2 +0 +6 +0 +6 +0 +\d+ms\/\d+ms\/\d+ms +\S+ms/m);
      assert.match(table, /^later +0 .* paused$/m);
    }),
  );
}
