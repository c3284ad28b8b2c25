/** Handlers that log documents: the executor goes on at once, and the log shows their beginning. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { drained } from "../../stage/executor.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { quickEnough } from "../../stage/quick-enough.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce } from "../../stage/until.ts";

const TASKS = {
  "tasks/long.ts": `import { defineTask } from "taskexe";
    const patterns = ["a://b:", "a.b-", "a+", "{", "{a}", "{{", "}", "redis://:", "\\\\ud83d", "@every ", "a@b="];
    export default defineTask({ type: "long", run({ log }) {
      for (const pattern of patterns) {
        const text = pattern.repeat(Math.ceil(400_000 / pattern.length)) + "@ =";
        log.info("it says {text}", { text, inner: { deep: [text] } });
        log.info(text);
        log.warn(new Error(text), { error: new Error(text), [text]: text });
      }
    } });`,
};

for (const format of ["pretty", "json"]) {
  test(`text of 400 kB in the log, ${format}, holds nothing up, whatever stands in it`, SLOW, async () => {
    await Stage.with(async (stage) => {
      const url = `sqlite:${join(stage.folder, "queue.db")}`;
      const tasks = await stage.write(TASKS);
      const executor = await stage.executor({ broker: url, tasks, args: ["--log", format], name: "one" });
      const broker = await stage.client(url);
      await quickEnough("a task that logs 60 long texts", 3_000, async (attempt) => {
        const begun = performance.now();
        const task = requestOf(`long-${attempt}`, "long", null);
        await broker.enqueue([task]);
        await recordOnce("done", executor, broker, task.id);
        return performance.now() - begun;
      });
      assert.equal(await drained(executor), 0);
      assert.match(executor.output(), /\.\.\. \(\d{6} characters more\)/);
      assert.ok(
        executor
          .output()
          .split("\n")
          .every((line) => line.length < 600_000),
      );
    });
  });
}
