/** What waits for a runner holds no slot of the executor: others begin meanwhile, and no more waits than may run. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../src/broker/broker.ts";
import { drained, type ExecutorProcess } from "../stage/executor.ts";
import { requestOf } from "../stage/outcomes.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { recordOnce, untilBy } from "../stage/until.ts";

const TASKS = {
  "tasks/handlers.ts": `
    import { existsSync } from "node:fs";
    import { defineTask } from "taskexe";
    const until = async (file, { aborted }) => {
      while (!existsSync(file) && !aborted) await new Promise((r) => setTimeout(r, 20));
    };
    export const own = defineTask({
      type: "own", isolation: "own", run: ({ payload, signal }) => until(payload, signal),
    });
    export const quick = defineTask({ type: "quick", run: () => "done" });`,
};

for (const kind of ["redis", "sqlite"] as const) {
  describe(`waiting for a runner, ${kind}`, () => {
    let stage: Stage;
    let client: Broker;
    let executor: ExecutorProcess;

    before(async () => {
      stage = Stage.make();
      const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      const tasks = await stage.write(TASKS);
      const args = ["--isolation", "shared", "--own-runners", "2"];
      executor = await stage.executor({ broker: url, tasks, args, concurrency: 4 });
      client = await stage.client(url);
    }, SLOW);
    after(async () => {
      assert.equal(await drained(executor), 0);
      await stage.end();
    });

    const enqueue = (ids: readonly string[], type: string, payload: unknown) =>
      client.enqueue(ids.map((id) => requestOf(id, type, payload)));
    const recorded = (id: string, state: "done" | "cancelled") => recordOnce(state, executor, client, id);
    const held = () =>
      untilBy(executor, "two run and three wait", async () => {
        const { slots_taken, current } = await executor.status();
        return slots_taken === 2 && Object.keys(current).length === 5;
      });

    test("five wait or run with runners for two: the other two slots are free for others", SLOW, async () => {
      const ids = ["a", "b", "c", "d", "e"];
      await enqueue(ids, "own", stage.path("go"));
      await held();
      await enqueue(["beside", "too"], "quick", null);
      await recorded("beside", "done");
      await recorded("too", "done");
      await client.cancel(["e"]);
      await recorded("e", "cancelled");
      await stage.write({ go: "" });
      for (const id of ids.slice(0, 4)) await recorded(id, "done");
      await untilBy(executor, "no slot is taken", async () => (await executor.status()).slots_taken === 0);
    });

    test("no more wait than there are slots, so that no executor takes a whole backlog", SLOW, async () => {
      const ids = Array.from({ length: 12 }, (_, n) => `many-${n}`);
      await enqueue(ids, "own", stage.path("go on"));
      await untilBy(executor, "two run and four wait", async () => {
        const { slots_taken, current } = await executor.status();
        return slots_taken === 2 && Object.keys(current).length === 6;
      });
      const [counts] = await client.counts();
      assert.equal((counts?.queued ?? 0) + (counts?.running ?? 0), 12);
      await stage.write({ "go on": "" });
      for (const id of ids) await recorded(id, "done");
    });
  });
}
