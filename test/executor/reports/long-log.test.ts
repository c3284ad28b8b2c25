/** Handlers that log documents: the executor goes on at once, and the log shows their beginning. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { requestOf } from "../../support/fleet.ts";
import { quickEnough } from "../../support/quick-enough.ts";
import { drained, Place, recordOnce, SLOW } from "../place.ts";

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
    await Place.with(async (place) => {
      const url = `sqlite:${join(place.folder, "queue.db")}`;
      const tasks = await place.write(TASKS);
      const executor = await place.executor(url, { tasks, args: ["--log", format], name: "one" });
      const broker = await place.client(url);
      await quickEnough("a task that logs 60 long texts", 3_000, async (attempt) => {
        const begun = performance.now();
        const task = requestOf(`long-${attempt}`, "long", null);
        await broker.enqueue([task]);
        await recordOnce("done", executor, broker, task.id);
        return performance.now() - begun;
      });
      assert.equal(await drained(executor), 0);
      assert.match(executor.log(), /\.\.\. \(\d{6} characters more\)/);
      assert.ok(
        executor
          .log()
          .split("\n")
          .every((line) => line.length < 600_000),
      );
    });
  });
}
