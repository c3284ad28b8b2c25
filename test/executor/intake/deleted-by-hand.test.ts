/**
 * What somebody deletes in Redis while an executor runs: nothing is started twice or lost, and what vanished is told.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GROUP } from "../../../src/broker/redis/keys.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { PATIENCE_MS, recordOnce, said, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/gate.ts": `import { appendFileSync, existsSync } from "node:fs";
    import { defineTask, sleep } from "taskexe";
    export default defineTask({ type: "gate", async run({ task, payload, signal }) {
      appendFileSync(payload.ledger, task.id + "\\n");
      while (!existsSync(payload.gate)) await sleep(20, signal);
      return task.id;
    } });`,
};

for (const [what, args] of [
  ["a group", ["DESTROY", "te.0.common", GROUP]],
  ["a consumer", ["DELCONSUMER", "te.0.common", GROUP, "mine"]],
] as const) {
  test(`${what} that is deleted while tasks run starts none of them twice, and all are done once`, SLOW, async () => {
    await Stage.with(async (stage) => {
      const redis = await stage.redis();
      const tasks = await stage.write({ ...TASKS, ledger: "" });
      const [ledger, gate] = [`${stage.folder}/ledger`, `${stage.folder}/gate`];
      const executor = await stage.executor({ broker: redis.url, tasks, name: "mine", lease: "1s", concurrency: 5 });
      const broker = await stage.client(redis.url);
      const request = (id: string) => {
        const message = JSON.stringify({ id, task_type: "gate", payload: { ledger, gate } });
        return { id, type: "gate", queue: "common", priority: 0, message, retentionMs: 3_600_000 };
      };
      await broker.enqueue(["a", "b"].map(request));
      await untilBy(executor, "both run", async () => (await executor.busySlots()) === 2);
      await redis.cli(["XGROUP", ...args]);
      // There are free slots: whatever came again would be started.
      await broker.enqueue(["c", "d"].map(request));
      await untilBy(executor, "the others run", async () => (await executor.busySlots()) === 4);
      await untilBy(executor, "all are its own again", async () => {
        return (await redis.cli(["XPENDING", "te.0.common", GROUP])).startsWith("4\n");
      });
      await stage.write({ gate: "" });
      for (const id of ["a", "b", "c", "d"]) {
        assert.equal((await recordOnce("done", executor, broker, id)).completions, 1, id);
      }
      assert.deepEqual((await stage.read("ledger")).split("\n").filter(Boolean).sort(), ["a", "b", "c", "d"]);
      await untilBy(executor, "nothing is left", async () => (await broker.backlog()).pending === 0);
      assert.equal((await executor.status()).lost, 0);
    });
  });
}

test(
  "tasks that nothing holds are told at the start, in the log and in the status, and are run by their ids",
  SLOW,
  async () => {
    await Stage.with(async (stage) => {
      const redis = await stage.redis();
      const broker = await stage.client(redis.url);
      const ids = ["a", "b", "c"];
      await broker.enqueue(
        ids.map((id) => {
          const message = JSON.stringify({ id, task_type: "noop", payload: null });
          return { id, type: "noop", queue: "common", priority: 0, message, retentionMs: 3_600_000 };
        }),
      );
      await redis.cli(["DEL", "te.0.common"]);
      const executor = await stage.executor({ broker: redis.url });
      await said(executor, /3 task\(s\) say that they wait and are in no queue.*taskexe retry ID/);
      const answer = await fetch(`http://127.0.0.1:${executor.port}/status`, {
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      const { vanished }: { vanished: { count: number; ids: string[]; counted_at: string } } = await answer.json();
      assert.deepEqual([vanished.count, vanished.ids.toSorted()], [3, ids]);
      assert.match(vanished.counted_at, /^20\d\d-/);
      const shown = await stage.run(["status", "--url", `http://127.0.0.1:${executor.port}`]);
      assert.match(shown.stdout, /3 say that they wait and are in no queue; taskexe retry ID queues one/);

      const retried = await stage.run(["retry", "a", "--broker", redis.url]);
      assert.equal(retried.code, 0, retried.stderr);
      const again = await stage.run(["enqueue", "noop", "--id", "b", "--broker", redis.url]);
      assert.equal(again.stdout, "b\n");
      for (const id of ["a", "b"]) await recordOnce("done", executor, broker, id);
    });
  },
);
