/** Two executors under one name, on both brokers: no task runs twice, and the older one leaves. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { drained, Place, recordOnce, SLOW, said, untilBy } from "../place.ts";

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
      await Place.with(async (place) => {
        const tasks = await place.write({ ...TASKS, ledger: "" });
        const url = kind === "redis" ? (await place.redis()).url : `sqlite:${join(place.folder, "queue.db")}`;
        const [ledger, gate] = [join(place.folder, "ledger"), join(place.folder, "gate")];
        // Four beats fit into the timeout. It is longer than a busy machine stands still: a name that lapsed is
        // nobody's.
        const options = { tasks, name: "same", env: { TASKEXE_HEARTBEAT_TIMEOUT: "6s" } };
        const older = await place.executor(url, options);
        const broker = await place.client(url);
        const payload = JSON.stringify({ ledger, gate });
        assert.equal((await place.run(["enqueue", "count", payload, "--id", "one", "--broker", url])).code, 0);
        await untilBy(older, "it runs", async () => (await older.busySlots()) === 1);

        const younger = await place.executor(url, options);
        await said(younger, /An executor named same is registered already \(process \d+ at /);
        await said(older, /another executor has the name same \(process \d+ at .*\), so this older one leaves/);
        await place.write({ gate: "" });
        assert.equal((await older.exit).code, 1);
        const record = await recordOnce("done", younger, broker, "one");
        assert.deepEqual([record.completions, record.attempt, record.crashes], [1, 1, 0]);
        const began = await place.read("ledger");
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
      await Place.with(async (place) => {
        const tasks = await place.write({ ...TASKS, ledger: "", gate: "" });
        const url = kind === "redis" ? (await place.redis()).url : `sqlite:${join(place.folder, "queue.db")}`;
        const options = { tasks, name: "same", lease: "10m" };
        const first = await place.executor(url, options);
        const broker = await place.client(url);
        const [ledger, gate] = [join(place.folder, "ledger"), join(place.folder, "later")];
        const payload = JSON.stringify({ ledger, gate });
        assert.equal((await place.run(["enqueue", "count", payload, "--id", "one", "--broker", url])).code, 0);
        await untilBy(first, "it runs", async () => (await first.busySlots()) === 1);
        first.kill("SIGKILL");
        await first.exit;
        await place.write({ later: "" });
        const second = await place.executor(url, options);
        await said(second, /Took up 1 task\(s\) pending under our own name/);
        await recordOnce("done", second, broker, "one");
      });
    });
  });
}
