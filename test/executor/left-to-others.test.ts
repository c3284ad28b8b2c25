/**
 * What none of ours can run is left to an executor of another program, which polls as RagFlow's does: every 5 s, when
 * it has found nothing. Shown with a loop that really does so.
 * @long about 40 s
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openRoot, withNursery } from "../../src/concurrency/index.ts";
import type { RedisServer } from "../stage/redis/server.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { PATIENCE_MS, recordOnce, until } from "../stage/until.ts";
import { PollingExecutor } from "./polling-executor.ts";

const STREAM = "te.0.common";

const TASKS = {
  "tasks/known.ts": `import { defineTask } from "taskexe";
    export default defineTask({ type: "known", run: () => "ran" });`,
};

const add = (redis: RedisServer, message: unknown): Promise<string> =>
  redis.cli(["XADD", STREAM, "*", "message"], JSON.stringify(message));

test("10 of 10 messages of a type that none of ours has reach a living executor that polls", SLOW, async () => {
  await Stage.with(async (stage) => {
    const redis = await stage.redis();
    const tasks = await stage.write(TASKS);
    const [one, two] = [
      await stage.executor({ broker: redis.url, tasks, lease: "2s" }),
      await stage.executor({ broker: redis.url, tasks, lease: "2s" }),
    ];
    const broker = await stage.client(redis.url);
    const polls = await PollingExecutor.open(redis.url, "task_executor_common_polls_0");
    const waits: number[] = [];
    const started = performance.now();
    await withNursery(openRoot(), async (nursery) => {
      nursery.startSoon((task) => polls.run(task.signal), { name: "polls" });
      await until("it beats", PATIENCE_MS, async () => (await redis.cli(["EXISTS", polls.name])) === "1");
      for (let at = 0; at < 10; at++) await add(redis, { id: `theirs-${at}`, task_type: "graphrag", doc_id: "d" });
      // Known ones are taken up meanwhile, within 6 s and some time for a busy machine; some by the one that polls.
      const reached = (): number => polls.ran.filter((id) => id.startsWith("theirs")).length;
      for (let at = 0; reached() < 10; at++) {
        const id = `ours-${at}`;
        const begun = performance.now();
        await add(redis, { id, task_type: "known" });
        await until(`${id} is run`, PATIENCE_MS, async () => {
          return polls.ran.includes(id) || (await broker.record(id))?.state === "done";
        });
        if (!polls.ran.includes(id)) waits.push(performance.now() - begun);
        assert.ok(performance.now() - started < 120_000, `only ${reached()} have reached it`);
      }
      nursery.scope.cancel("all are there");
    });
    await polls.close();
    assert.deepEqual(
      polls.ran.filter((id) => id.startsWith("theirs")).sort(),
      Array.from({ length: 10 }, (_, at) => `theirs-${at}`),
      "each once",
    );
    assert.ok(waits.length > 0 && Math.max(...waits) < 6_000 + 9_000, `a known one waited ${Math.max(...waits)} ms`);
    const statuses = [await one.status(), await two.status()];
    assert.ok(statuses.reduce((sum, { left }) => sum + left, 0) >= 10);
    assert.deepEqual(
      statuses.map(({ dead }) => dead),
      [0, 0],
    );
    const groups = await redis.cli(["XINFO", "GROUPS", STREAM]);
    assert.match(groups, /\nlag\n0$/);
  });
});

test("without one they wait as unknown types do; one of ours that has the type runs them", SLOW, async () => {
  await Stage.with(async (stage) => {
    const redis = await stage.redis();
    const tasks = await stage.write(TASKS);
    const one = await stage.executor({ broker: redis.url, tasks });
    const broker = await stage.client(redis.url);
    await add(redis, { id: "alone", task_type: "graphrag" });
    await until("it is tried again", PATIENCE_MS, async () => (await broker.record("alone"))?.state === "retrying");
    await recordOnce("dead", one, broker, "alone");
    assert.equal((await one.status()).left, 0);
    const others = await stage.write({
      "others/graph.ts": `import { defineTask } from "taskexe";
        export default defineTask({ type: "graphrag", run: () => "ran" });`,
    });
    await stage.executor({ broker: redis.url, tasks: others.replace(/tasks$/, "others") });
    const polls = await PollingExecutor.open(redis.url, "task_executor_common_polls_0");
    await polls.beat();
    await add(redis, { id: "beside", task_type: "graphrag" });
    await recordOnce("done", one, broker, "beside");
    assert.equal((await one.status()).left, 0);
    await polls.close();
  });
});
