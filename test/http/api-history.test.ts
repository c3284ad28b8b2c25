/** GET /api/v1/history of a real fleet: each executor tells what all of them have done, and what was deployed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { requestOf } from "../stage/outcomes.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { recordOnce, untilBy } from "../stage/until.ts";

const TASKS = {
  "tasks/work.ts": `import { defineTask } from "taskexe";
    export const good = defineTask({ type: "good", run: () => "good" });
    export const fails = defineTask({ type: "fails", attempts: 1, run() { throw new Error("as ever"); } });`,
};
const IDS = ["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7"];

for (const kind of ["redis", "sqlite"] as const) {
  test(`over ${kind}, both executors of a fleet tell the same of what it has done`, SLOW, () =>
    Stage.with(async (stage) => {
      const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      const tasks = await stage.write(TASKS);
      const start = (name: string) => stage.executor({ broker: url, tasks, name, concurrency: 1 });
      const [one, two] = [await start("one"), await start("two")];
      const broker = await stage.client(url);
      const ask = async (executor: typeof one, query = "") => {
        const { code, body } = await executor.get(`/api/v1/history${query}`);
        assert.equal(code, 200, body);
        return JSON.parse(body);
      };
      for (const executor of [one, two]) {
        await untilBy(executor, "it has looked at the fleet", async () => (await ask(executor)).queues.length > 0);
      }
      await broker.enqueue(IDS.map((id) => requestOf(id, "good", null)));
      await broker.enqueue([requestOf("bad", "fails", null)]);
      for (const id of IDS) await recordOnce("done", one, broker, id);
      await recordOnce("dead", one, broker, "bad");

      const sum = (counts: readonly number[]) => counts.reduce((all, each) => all + each, 0);
      for (const executor of [one, two]) {
        await untilBy(executor, "it has looked again", async () => {
          const { outcomes } = await ask(executor);
          return sum(outcomes.done) === IDS.length && sum(outcomes.dead) === 1;
        });
        const all = await ask(executor, "?range=24h");
        assert.deepEqual([all.range, all.step_ms, all.outcomes.done.length], ["24h", 900_000, 96]);
        assert.deepEqual(all.failing, [{ type: "fails", failed: 1, attempts: 1 }]);
        const good = await ask(executor, "?type=good&queue=common");
        assert.deepEqual([sum(good.outcomes.done), sum(good.outcomes.dead)], [IDS.length, 0]);
        assert.ok(good.run_ms.p99.some((each: number | null) => each !== null));
        const refused = await executor.get("/api/v1/history?range=2h");
        assert.deepEqual([refused.code, /15m/.test(refused.body)], [400, true], refused.body);
      }
      const { marks } = await ask(one);
      assert.deepEqual(
        marks.map(({ kind: what, executor }: { kind: string; executor: string }) => [what, executor]),
        [["deploy", "two"]],
        "one has seen the other begin",
      );
    }),
  );
}
