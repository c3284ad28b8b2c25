/** Where the time of each attempt went, on both brokers: in the record, as command line, HTTP and page tell it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { AttemptTimes } from "../../../src/task/record/attempt-times.ts";
import { requestOf } from "../../stage/outcomes.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce } from "../../stage/until.ts";

const RAN_MS = 40;
const TASKS = {
  "tasks/work.ts": `import { defineTask, sleep } from "taskexe";
    export const heals = defineTask({ type: "heals", attempts: 2, backoff: { kind: "fixed", delay_ms: 1 },
      async run({ attempt, signal }) {
        await sleep(${RAN_MS}, signal);
        if (attempt === 1) throw new Error("once");
      } });`,
};

const sum = (times: AttemptTimes): number =>
  (times.waited_ms ?? 0) + (times.claimed_ms ?? 0) + times.ran_ms + times.recorded_ms;

for (const kind of ["redis", "sqlite"] as const) {
  test(`over ${kind}, the times of an attempt add up from when it was due until its end was written`, SLOW, () =>
    Stage.with(async (stage) => {
      const url = kind === "redis" ? (await stage.redis()).url : `sqlite:${join(stage.folder, "queue.db")}`;
      const executor = await stage.executor({ broker: url, tasks: await stage.write(TASKS) });
      const broker = await stage.client(url);
      await broker.enqueue([requestOf("one", "heals", null)]);
      const record = await recordOnce("done", executor, broker, "one");
      const first = record.errors[0];
      for (const times of [first?.times, record.times]) {
        assert.ok(times?.waited_ms !== null && times?.claimed_ms !== null, JSON.stringify(record));
        assert.ok(times && times.ran_ms >= RAN_MS - 2, `it ran for ${times?.ran_ms} ms`);
      }
      assert.ok(first?.times && record.times && record.enqueued_at !== null && record.finished_at !== null);
      // Each of both ends is rounded to a millisecond.
      assert.ok(Math.abs(sum(first.times) - (first.at - record.enqueued_at)) <= 3, JSON.stringify(record));
      const later = record.finished_at - first.at;
      assert.ok(sum(record.times) <= later + 3, `${sum(record.times)} ms in ${later} ms: ${JSON.stringify(record)}`);

      const answer = await executor.get("/api/v1/tasks/one");
      assert.deepEqual(JSON.parse(answer.body).times, record.times);
      const page = await executor.get("/ui/tasks/one");
      for (const said of [/class="claimed"/, /class="recorded"/, /ran \d/]) assert.match(page.body, said);
      const shown = (await stage.run(["task", "one", "--broker", url])).stdout;
      assert.match(shown, /time went to +waited \d+ ms, claimed \d+ ms, ran \d+ ms, recorded \d+ ms/);
      assert.match(shown, /attempt 1, .* \(waited \d+ ms, claimed \d+ ms, ran \d+ ms, recorded \d+ ms\): Error: once/);
    }),
  );
}
