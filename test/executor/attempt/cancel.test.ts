/**
 * Cancel means cancel, on both brokers and from any process: a task that waits never runs, one that listens ends within
 * a second, and one that does not listen is killed with its runner after the grace; where it runs in the executor, it
 * is named until it really ends, since its slot is taken until then.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { drained } from "../../stage/executor.ts";
import { quickEnough } from "../../stage/quick-enough.ts";
import type { RedisServer } from "../../stage/redis/server.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, said, untilBy } from "../../stage/until.ts";

const TASKS = {
  "tasks/touch.ts": `import { writeFile } from "node:fs/promises";
    import { defineTask } from "taskexe";
    export default defineTask({ type: "touch", run: ({ payload }) => writeFile(payload.file, "ran") });`,
  // Runs until the file is there, whatever its signal says.
  "tasks/deaf.ts": `import { existsSync, writeFileSync } from "node:fs";
    import { setTimeout as pause } from "node:timers/promises";
    import { defineTask } from "taskexe";
    export default defineTask({ type: "deaf", async run({ payload }) {
      writeFileSync(payload.begun, "");
      while (!existsSync(payload.until)) await pause(20);
      return "ended after all";
    } });`,
};

/** A cancel is seen within a second; the rest is for a busy machine. */
const SEEN_MS = 1_500;

const PLACES = (["redis", "sqlite"] as const).flatMap((kind) =>
  (["shared", "inline"] as const).map((isolation) => ({ kind, isolation })),
);

for (const { kind, isolation } of PLACES) {
  describe(`a cancel on ${kind}, handlers ${isolation}`, () => {
    let stage: Stage;
    let redis: RedisServer;
    let url: string;
    let executor: ExecutorProcess;
    let broker: Broker;

    before(async () => {
      stage = Stage.make();
      if (kind === "redis") redis = await stage.redis();
      url = kind === "redis" ? redis.url : `sqlite:${join(stage.folder, "queue.db")}`;
      const tasks = await stage.write(TASKS);
      const args = ["--isolation", isolation];
      executor = await stage.executor({ broker: url, tasks, args, concurrency: 1, grace: "1s" });
      broker = await stage.client(url);
    }, SLOW);
    after(async () => {
      const code = await drained(executor);
      await stage.end();
      assert.equal(code, 0, "the executor leaves with 0 after all of it");
    }, SLOW);

    const enqueue = async (id: string, type: string, payload: unknown): Promise<void> => {
      const args = ["enqueue", type, JSON.stringify(payload), "--id", id, "--broker", url];
      const { code, stderr } = await stage.run(args);
      assert.equal(code, 0, stderr);
    };

    const cancel = async (id: string): Promise<{ id: string; state: string | null }> => {
      const { code, stdout, stderr } = await stage.run(["cancel", id, "--json", "--broker", url]);
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout)[0];
    };

    const runs = async (id: string): Promise<void> => {
      await untilBy(executor, `${id} runs`, async () => (await executor.status()).current[id] !== undefined);
    };

    /** Runs a task of a minute, cancels it by `how`, and gives how long after that it took to end, in ms. */
    const endsAfter = async (id: string, how: (id: string) => Promise<unknown>): Promise<number> => {
      await enqueue(id, "sleep", { ms: 60_000 });
      await runs(id);
      await how(id);
      // Only now: how long a process takes to start says nothing of the cancel.
      const begun = performance.now();
      const record = await recordOnce("cancelled", executor, broker, id);
      const ms = performance.now() - begun;
      assert.equal(record.result, null);
      await untilBy(
        executor,
        "its slot is free",
        async () => Object.keys((await executor.status()).current).length === 0,
      );
      return ms;
    };

    test("a queued task is cancelled at once and never runs", SLOW, async () => {
      const file = join(stage.folder, "touched");
      await enqueue("blocker", "sleep", { ms: 60_000 });
      await runs("blocker");
      await enqueue("queued", "touch", { file });
      assert.deepEqual(await cancel("queued"), { id: "queued", state: "queued" });
      assert.equal((await broker.record("queued"))?.state, "cancelled");
      assert.deepEqual(await cancel("blocker"), { id: "blocker", state: "running" });
      await recordOnce("cancelled", executor, broker, "blocker");
      // What was enqueued behind it has its turn, so the cancelled one had its own and let it pass.
      const behind = join(stage.folder, "behind");
      await enqueue("behind", "touch", { file: behind });
      await recordOnce("done", executor, broker, "behind");
      assert.deepEqual([existsSync(file), existsSync(behind)], [false, true]);
      assert.equal((await broker.record("queued"))?.state, "cancelled");
    });

    test("a running task that listens ends within a second of a cancel from the command line", SLOW, async () => {
      await quickEnough("its end", SEEN_MS, (attempt) => endsAfter(`by-command-${attempt}`, cancel));
    });

    test("a running task that listens ends within a second of a cancel by another process's client", SLOW, async () => {
      await quickEnough("its end", SEEN_MS, (attempt) =>
        endsAfter(`by-client-${attempt}`, (id) => broker.cancel([id])),
      );
    });

    test("a running task ends within a second of RagFlow's flag", { ...SLOW, skip: kind !== "redis" }, async () => {
      const flag = (id: string) => redis.cli(["SET", `${id}-cancel`, "x", "EX", "3600"]);
      await quickEnough("its end", SEEN_MS, (attempt) => endsAfter(`by-flag-${attempt}`, flag));
    });

    test("a task that ignores its cancel is killed after the grace, and the next one has its slot", {
      ...SLOW,
      skip: isolation === "inline",
    }, async () => {
      const begun = join(stage.folder, "killed-has-begun");
      await enqueue("killed", "deaf", { until: join(stage.folder, "never"), begun });
      await untilBy(executor, "it has begun", () => existsSync(begun));
      await cancel("killed");
      const file = join(stage.folder, "after-killed");
      await enqueue("next", "touch", { file });
      const { reason } = await recordOnce("cancelled", executor, broker, "killed");
      assert.match(reason ?? "", /killed after \d{4,} ms/);
      await recordOnce("done", executor, broker, "next");
      assert.equal((await executor.status()).abandoned, 0);
    });

    test("a task that ignores its cancel is named after the grace and keeps its slot until it ends", {
      ...SLOW,
      skip: isolation === "shared",
    }, async () => {
      const gate = join(stage.folder, "gate");
      const begun = join(stage.folder, "deaf-has-begun");
      await enqueue("deaf", "deaf", { until: gate, begun });
      await untilBy(executor, "it has begun", () => existsSync(begun));
      await cancel("deaf");
      await said(
        executor,
        /deaf \(body\) of task deaf ignores its cancel: left behind after \d+ ms; it keeps its slot/,
      );
      const { current, abandoned } = await executor.status();
      assert.deepEqual([current.deaf?.ignoring_cancel, abandoned], [true, 1]);
      const record = await recordOnce("cancelled", executor, broker, "deaf");
      assert.equal(record.result, null);

      // There is one slot, and it is taken: the next task waits.
      const file = join(stage.folder, "after-deaf");
      await enqueue("patient", "touch", { file });
      await untilBy(executor, "it is seen to wait", async () => (await executor.status()).lag === 1);
      assert.equal(existsSync(file), false);

      await writeFile(gate, "");
      await said(executor, /The abandoned task deaf has ended; its slot is free again/);
      await recordOnce("done", executor, broker, "patient");
      const status = await executor.status();
      assert.deepEqual([status.current, status.abandoned], [{}, 0]);
      assert.equal((await broker.record("deaf"))?.state, "cancelled");
    });

    test("a cancel of what has ended changes nothing, one of an unknown id is remembered", SLOW, async () => {
      await enqueue("over", "echo", 1);
      await recordOnce("done", executor, broker, "over");
      assert.equal((await cancel("over")).state, "done");
      assert.equal((await broker.record("over"))?.state, "done");
      assert.equal((await cancel("never-heard-of")).state, null);
    });

    test("the counts agree", SLOW, async () => {
      const before = await executor.status();
      await endsAfter("counted-cancel", cancel);
      await enqueue("counted-done", "echo", 1);
      await recordOnce("done", executor, broker, "counted-done");
      await untilBy(executor, "both are counted", async () => {
        const { cancelled, failed, dead, done } = await executor.status();
        const counts = [cancelled - before.cancelled, failed - before.failed, dead - before.dead, done - before.done];
        return counts.join() === "1,0,0,1";
      });
    });
  });
}
