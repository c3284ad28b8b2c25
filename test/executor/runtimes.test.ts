/** The executor from source on each runtime: handlers from outside, a task on each broker, a drain that ends with 0. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ROOT } from "../stage/command.ts";
import { drained } from "../stage/executor.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { untilBy } from "../stage/until.ts";

const TASKS = {
  "outside/where.ts": `import { defineTask, sleep } from "taskexe";
    import * as v from "valibot";
    import { runtimeName } from "./_runtime.ts";
    export default defineTask({ type: "where", payload: v.object({ n: v.number() }),
      async run({ payload, signal, progress }) {
        await progress(0.5, "half");
        await sleep(1, signal);
        return { runtime: runtimeName(), n: payload.n + 1 };
      } });`,
  "outside/_runtime.ts": `export const runtimeName = (): string =>
      "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";`,
};

const MAIN = join(ROOT, "src/main.ts");
const bin = (name: string): string => join(ROOT, "node_modules/.bin", name);

const RUNTIMES: Readonly<Record<string, [string, ...string[]]>> = {
  bun: [bin("bun"), "run", MAIN],
  node: [bin("node"), MAIN],
  deno: [bin("deno"), "run", "-A", MAIN],
};

for (const [name, program] of Object.entries(RUNTIMES)) {
  describe(`an executor from source on ${name}`, () => {
    for (const kind of ["redis", "sqlite"]) {
      test(`runs a task on ${kind} and drains on SIGTERM with exit 0`, SLOW, async () => {
        await Stage.with(async (stage) => {
          const tasks = await stage.write(TASKS);
          const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
          const executor = await stage.executor({ broker: url, program, tasks, grace: "10s" });
          const enqueue = ["enqueue", "where", '{"n":1}', "--wait", "--broker", url];
          const { code, stdout, stderr } = await stage.run(enqueue, { program });
          assert.deepEqual([code, stdout === "" ? stderr : JSON.parse(stdout)], [0, { runtime: name, n: 2 }]);
          await untilBy(executor, "it is counted", async () => (await executor.status()).done >= 1);
          const { done, pid, version } = await executor.status();
          assert.deepEqual([done, pid], [1, executor.pid]);
          assert.match(version, /^\d+\.\d+\.\d+$/);
          assert.equal(await drained(executor), 0, executor.output());
          assert.match(executor.output(), /Draining: SIGTERM/);
          assert.doesNotMatch(executor.output(), /\n\s+at |ExperimentalWarning/);
        });
      });
    }
  });
}
