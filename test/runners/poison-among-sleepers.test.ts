/**
 * One poison among 64 tasks that sleep for a minute, all begun in one runner: each death halves its company, so that it
 * is alone and convicted after a few, while the sleepers of the other half sleep on side by side.
 * @long about three minutes
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QUEUES } from "../stage/broker.ts";
import { HeldUp } from "../stage/held-up.ts";
import { requestOf } from "../stage/outcomes.ts";
import { Stage } from "../stage/stage.ts";
import { until } from "../stage/until.ts";

const SLEEPERS = 64;
/** From the first death to the conviction, and until all sleepers are done, in ms. */
const CONVICTED_WITHIN_MS = 10_000;
const DONE_WITHIN_MS = 180_000;
/** What a start of a runner may take on a busy machine, in ms. There are eight. */
const START_MS = 5_000;

const TASKS = {
  "tasks/handlers.ts": `
    import { appendFileSync } from "node:fs";
    import { defineTask, sleep } from "taskexe";
    export const sleeper = defineTask({ type: "sleeper", run: ({ signal }) => sleep(60_000, signal) });
    export const poison = defineTask({ type: "poison", async run({ payload, signal }) {
      await sleep(300, signal);
      appendFileSync(payload, Date.now() + "\\n");
      process.exit(3);
    } });`,
};

for (const { kind, open } of QUEUES) {
  test(`over ${kind} a poison among 64 sleepers is convicted in seconds, and all sleepers are done`, {
    timeout: DONE_WITHIN_MS + 60_000,
  }, async () => {
    await Stage.with(async (stage) => {
      const broker = await open(stage);
      const client = await stage.client(broker);
      const sleepers = Array.from({ length: SLEEPERS }, (_, index) => `sleeper-${index}`);
      const deaths = stage.path("deaths");
      const requests = sleepers.map((id) => requestOf(id, "sleeper", null));
      const poison = requestOf("poison", "poison", deaths);
      const message = JSON.stringify({ ...JSON.parse(poison.message), taskexe: { crash_budget: 0 } });
      await client.enqueue([...requests.slice(0, 40), { ...poison, message }, ...requests.slice(40)]);
      const tasks = await stage.write(TASKS);
      const args = ["--runners", "1"];
      const executor = await stage.executor({ broker, tasks, args, concurrency: SLEEPERS + 1 });
      using heldUp = new HeldUp();
      const begun = performance.now();
      await until("the poison is convicted", CONVICTED_WITHIN_MS + 8 * START_MS, async () => {
        return (await client.record("poison"))?.state === "dead";
      });
      const record = await client.record("poison");
      const [first = 0] = (await stage.read("deaths")).split("\n").map(Number);
      const tookMs = (record?.finished_at ?? 0) - first;
      assert.ok(tookMs < CONVICTED_WITHIN_MS + heldUp.ms, `it was convicted ${tookMs} ms after its first death`);
      assert.equal(record?.crashes, 1);
      assert.match(record?.reason ?? "", /: exit code 3$/);
      const left = DONE_WITHIN_MS - (performance.now() - begun);
      await until("all sleepers are done", left, async () => {
        return (await client.states(sleepers)).every((state) => state === "done");
      });
      for (const id of sleepers) assert.equal((await client.record(id))?.crashes, 0, id);
      assert.equal(executor.hasEnded, false);
      process.stderr.write(
        `      ${kind}: convicted after ${tookMs} ms, all done after ${Math.round(performance.now() - begun)} ms\n`,
      );
    });
  });
}
