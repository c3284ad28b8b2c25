/** When the next attempt is due after a timeout: the function of the handler says it, in whatever process that is. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { drained } from "../stage/executor.ts";
import { requestOf } from "../stage/outcomes.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { untilBy } from "../stage/until.ts";

const HANDLERS = `
  import { defineTask, sleepForever } from "taskexe";
  const backoff = (attempt, error) => (error.name === "TimeoutError" ? 600_000 * attempt : 1);
  const common = { attempts: 3, timeoutMs: 300, backoff };
  export const heeds = defineTask({ ...common, type: "heeds", run: ({ signal }) => sleepForever(signal) });
  const own = { ...common, isolation: "own" };
  export const alone = defineTask({ ...own, type: "alone", run: ({ signal }) => sleepForever(signal) });
  export const killed = defineTask({ ...own, type: "killed", run: () => { for (;;); } });
`;

test("the function's delay holds where the runner answered, the setting's where it was killed", SLOW, async () => {
  await Stage.with(async (stage) => {
    const url = `sqlite:${join(stage.folder, "queue.db")}`;
    const tasks = await stage.write({ "tasks/all.ts": HANDLERS });
    // What heeds its cancel has long enough for it, on a machine with much else to do.
    const env = { TASKEXE_BACKOFF: "fixed", TASKEXE_BACKOFF_DELAY: "50m", TASKEXE_BACKOFF_MAX: "1h" };
    const executor = await stage.executor({ broker: url, tasks, args: ["--isolation", "shared"], env, grace: "5s" });
    const client = await stage.client(url);
    const [ids, minutes] = [
      ["heeds", "alone", "killed"],
      [10, 10, 50],
    ];
    await client.enqueue(ids.map((id) => requestOf(id, id, null)));
    const records = await untilBy(executor, "all of them retry", async () => {
      const found = await Promise.all(ids.map((id) => client.record(id)));
      return found.every((record) => record?.state === "retrying") && found;
    });
    const delays = records.map((record) => Math.round(((record?.due_at ?? 0) - (record?.errors[0]?.at ?? 0)) / 60_000));
    assert.deepEqual(delays, minutes);
    assert.equal(await drained(executor), 0);
  });
});
