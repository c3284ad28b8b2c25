/** What is told of a task while it runs. */
import assert from "node:assert/strict";
import type { TaskRecord } from "../../../src/task/record/record.ts";
import { claimAll, claimOne, idOf, retry, task } from "../../stage/outcomes.ts";
import { assertBetween, CLOCK_MS, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

export function runningSentences(sentence: Sentence): void {
  sentence(
    "a running task says who runs it, which attempt it is and since when, though nothing was told",
    async (stage) => {
      const broker = await stage.open("a");
      await broker.enqueue([task("kept"), task("bare", { retentionMs: 0 })]);
      const before = broker.now();
      const deliveries = await claimAll(broker, 2, stage.signal);
      const after = broker.now();
      const isRight = (record: TaskRecord | null | undefined, attempt: number): void => {
        assert.deepEqual([record?.state, record?.executor, record?.attempt], ["running", "a", attempt]);
        assertBetween(record?.started_at, before, after + CLOCK_MS);
      };
      isRight(await broker.record("kept"), 1);
      for (const record of (await broker.list({ state: "running", limit: 10 })).tasks) isRight(record, 1);
      const kept = deliveries.find((delivery) => idOf(delivery) === "kept");
      assert.ok(kept);
      // What the record says of the first attempt is none of the second.
      await broker.complete([retry(kept, { startedAt: before - 60_000 })]);
      await eventually(10_000, async () => (await broker.promote(10)).promoted === 1);
      await claimOne(broker, stage.signal);
      const second = await broker.record("kept");
      assert.deepEqual([second?.state, second?.executor, second?.attempt], ["running", "a", 2]);
      assertBetween(second?.started_at, before, broker.now() + CLOCK_MS);
    },
  );

  sentence("a running task began when the beats of its executor say so", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    await claimOne(broker, stage.signal);
    const claimed = (await broker.record("one"))?.started_at ?? 0;
    const startedAt = Math.round(claimed) + 50;
    await broker.beat(JSON.stringify({ started: { one: startedAt, other: 1 }, current: {} }));
    await eventually(10_000, async () => {
      const at = (await broker.record("one"))?.started_at ?? 0;
      // SQLite has written it down with the claim.
      return at === (broker.kind === "redis" ? startedAt : claimed);
    });
  });
}
