/**
 * What went wrong in each attempt of a task, on both brokers: kept over retries, the death of an executor and a retry
 * by hand, and shown by `task`, `list`, HTTP and JSON.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import type { AttemptError } from "../../../src/task/record/record.ts";
import type { ExecutorProcess } from "../../stage/executor.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce } from "../../stage/until.ts";

const TASKS = {
  "tasks/fails.ts": `import { existsSync, writeFileSync } from "node:fs";
    import { defineTask, RetryLaterError } from "taskexe";
    const backoff = { kind: "fixed", delay_ms: 1 } as const;
    export const fails = defineTask({ type: "fails", attempts: 3, backoff,
      run({ attempt }) { throw new RangeError("wrong in attempt " + attempt); } });
    export const heals = defineTask({ type: "heals", attempts: 3, backoff,
      run({ attempt }) { if (attempt < 3) throw new Error("wrong in attempt " + attempt); return "well"; } });
    export const later = defineTask({ type: "later", attempts: 1,
      run() {
        const file = new URL("later-asked", import.meta.url);
        if (existsSync(file)) throw new Error("no more");
        writeFileSync(file, "");
        throw new RetryLaterError(1, "not yet");
      } });
    export const dies = defineTask({ type: "dies", attempts: 2, backoff,
      run({ attempt }) {
        const file = new URL("has-died", import.meta.url);
        if (attempt === 2 && !existsSync(file)) { writeFileSync(file, ""); process.kill(process.ppid, "SIGKILL"); }
        throw new Error("wrong in attempt " + attempt);
      } });`,
};

const told = (errors: readonly AttemptError[] | undefined) =>
  errors?.map(({ attempt, executor, name, message }) => [attempt, executor, `${name}: ${message}`]);

for (const kind of ["redis", "sqlite"] as const) {
  describe(`over ${kind}`, () => {
    let stage: Stage;
    let url: string;
    let executor: ExecutorProcess;
    let broker: Broker;
    /** The executor's name; the one that comes after a death has another. */
    let named = "";

    const start = async (name: string): Promise<ExecutorProcess> => {
      const tasks = join(stage.folder, "tasks");
      named = name;
      return stage.executor({ broker: url, tasks, name, lease: "1s", env: { WORKER_HEARTBEAT_TIMEOUT: "1" } });
    };

    before(async () => {
      stage = Stage.make();
      url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      await stage.write(TASKS);
      executor = await start("one");
      broker = await stage.client(url);
    }, SLOW);
    after(() => stage.end());

    test("each attempt's error is kept, and shown wherever a task is shown", SLOW, async () => {
      await broker.enqueue([requestOf("fails", "fails", null)]);
      const { errors, error } = await recordOnce("dead", executor, broker, "fails");
      const all = [1, 2, 3].map((attempt) => [attempt, named, `RangeError: wrong in attempt ${attempt}`]);
      assert.deepEqual(told(errors), all);
      assert.equal(error?.message, "wrong in attempt 3");
      assert.ok(errors.every(({ stack }) => stack?.includes("fails.ts")));
      const json = JSON.parse((await stage.run(["task", "fails", "--json", "--broker", url])).stdout);
      assert.deepEqual(json.errors, errors);
      const { stdout } = await stage.run(["task", "fails", "--broker", url]);
      for (const { attempt, at, message } of errors.slice(0, 2)) {
        const head = `attempt ${attempt}, ${new Date(at).toISOString()}, ${named} \\(waited [^)]*\\)`;
        assert.match(stdout, new RegExp(`${head}: RangeError: ${message}\n`));
      }
      assert.match(stdout, /RangeError: wrong in attempt 3\n +at /);
      assert.deepEqual(JSON.parse((await executor.get("/api/v1/tasks/fails")).body).errors, errors);
      const isShown = ({ tasks }: { tasks: readonly { id: string; errors: unknown }[] }) =>
        assert.deepEqual(tasks.find(({ id }) => id === "fails")?.errors, errors);
      isShown(JSON.parse((await executor.get("/api/v1/tasks?state=dead")).body));
      const table = await stage.run(["list", "--state", "dead", "--broker", url]);
      assert.match(table.stdout, /^fails +fails +dead +common +3 .* RangeError: wrong in attempt 3$/m);
      isShown(JSON.parse((await stage.run(["list", "--state", "dead", "--json", "--broker", url])).stdout));
    });

    test("a retry by hand keeps them, and counts its attempts from 1", SLOW, async () => {
      await broker.enqueue([requestOf("again", "fails", null)]);
      const one = await recordOnce("dead", executor, broker, "again");
      await broker.retry(["again"]);
      const again = await recordOnce("dead", executor, broker, "again");
      assert.deepEqual(again.errors.slice(0, 3), one.errors);
      assert.deepEqual(
        again.errors.map(({ attempt }) => attempt),
        [1, 2, 3, 1, 2, 3],
      );
    });

    test("a task that is done in the end tells what went wrong before", SLOW, async () => {
      await broker.enqueue([requestOf("heals", "heals", null)]);
      const { errors, error, result } = await recordOnce("done", executor, broker, "heals");
      assert.deepEqual([error, result], [null, "well"]);
      assert.deepEqual(told(errors), [
        [1, named, "Error: wrong in attempt 1"],
        [2, named, "Error: wrong in attempt 2"],
      ]);
    });

    test("an attempt that costs none is told as the attempt that it was", SLOW, async () => {
      await broker.enqueue([requestOf("later", "later", null)]);
      const { errors, attempt } = await recordOnce("dead", executor, broker, "later");
      assert.equal(attempt, 1);
      assert.deepEqual(told(errors), [
        [1, named, "RetryLaterError: not yet"],
        [1, named, "Error: no more"],
      ]);
    });

    test("they outlive an executor that dies over a later attempt", SLOW, async () => {
      await broker.enqueue([requestOf("dies", "dies", null)]);
      await executor.ended;
      const dead = named;
      executor = await start("two");
      const { errors } = await recordOnce("dead", executor, broker, "dies");
      assert.deepEqual(told(errors), [
        [1, dead, "Error: wrong in attempt 1"],
        [2, named, "Error: wrong in attempt 2"],
      ]);
    });
  });
}
