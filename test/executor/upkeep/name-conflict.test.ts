/** Two executors under one name, on both brokers: no task runs twice, and the older one leaves. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { drained } from "../../stage/executor.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, said, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/count.ts": `import { appendFile, access } from "node:fs/promises";
    import { defineTask, sleep } from "taskexe";
    export default defineTask({ type: "count", async run({ payload, signal }) {
      await appendFile(payload.ledger, "began\\n");
      for (;;) {
        try { await access(payload.gate); return "ended"; } catch {}
        await sleep(20, signal);
      }
    } });`,
};

for (const kind of ["redis", "sqlite"] as const) {
  describe(`two executors of one name on ${kind}`, () => {
    test("the younger one takes nothing from the older one, which finishes and leaves with 1", SLOW, async () => {
      await Stage.with(async (stage) => {
        const tasks = await stage.write({ ...TASKS, ledger: "" });
        const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
        const [ledger, gate] = [join(stage.folder, "ledger"), join(stage.folder, "gate")];
        // Four beats fit into the timeout. It is longer than a busy machine stands still: a name that lapsed is
        // nobody's.
        const options = { tasks, name: "same", env: { TASKEXE_HEARTBEAT_TIMEOUT: "6s" } };
        const older = await stage.executor({ broker: url, ...options });
        const broker = await stage.client(url);
        const payload = JSON.stringify({ ledger, gate });
        assert.equal((await stage.run(["enqueue", "count", payload, "--id", "one", "--broker", url])).code, 0);
        await untilBy(older, "it runs", async () => (await older.busySlots()) === 1);

        const younger = await stage.executor({ broker: url, ...options });
        await said(younger, /An executor named same is registered already \(process \d+ at /);
        await said(older, /another executor has the name same \(process \d+ at .*\), so this older one leaves/);
        await stage.write({ gate: "" });
        assert.equal((await older.ended).code, 1);
        const record = await recordOnce("done", younger, broker, "one");
        assert.deepEqual([record.completions, record.attempt, record.crashes], [1, 1, 0]);
        const began = await stage.read("ledger");
        assert.equal(began, "began\n");
        // The name is the younger one's now, and stays registered.
        assert.deepEqual(
          (await broker.fleet()).map(({ name, beat }) => [name, beat?.pid]),
          [["same", younger.pid]],
        );
        assert.equal(await drained(younger), 0);
        assert.deepEqual(await broker.fleet(), []);
      });
    });

    test("one that was killed is known to be gone, and its successor takes up what it held at once", SLOW, async () => {
      await Stage.with(async (stage) => {
        const tasks = await stage.write({ ...TASKS, ledger: "", gate: "" });
        const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
        const options = { tasks, name: "same", lease: "10m" };
        const first = await stage.executor({ broker: url, ...options });
        const broker = await stage.client(url);
        const [ledger, gate] = [join(stage.folder, "ledger"), join(stage.folder, "later")];
        const payload = JSON.stringify({ ledger, gate });
        assert.equal((await stage.run(["enqueue", "count", payload, "--id", "one", "--broker", url])).code, 0);
        await untilBy(first, "it runs", async () => (await first.busySlots()) === 1);
        first.kill("SIGKILL");
        await first.ended;
        await stage.write({ later: "" });
        const second = await stage.executor({ broker: url, ...options });
        await said(second, /Took up 1 task\(s\) pending under our own name/);
        await recordOnce("done", second, broker, "one");
      });
    });
  });
}
