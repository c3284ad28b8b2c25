/** The queues that are known beside those that a broker was opened with. */
import assert from "node:assert/strict";
import { task } from "../../stage/outcomes.ts";
import type { Sentence } from "../../stage/sentences.ts";

export function queueSentences(sentence: Sentence): void {
  sentence("a queue that nobody serves is known and counted while it holds something", async (stage) => {
    const client = await stage.open(null);
    assert.deepEqual(await client.otherQueues(10), { names: [], count: 0 });
    await client.enqueue([task("t0"), task("t1", { queue: "left" }), task("t2", { queue: "left", delayMs: 60_000 })]);
    const after = await stage.open("after");
    assert.deepEqual(await after.otherQueues(10), { names: ["left"], count: 1 });
    const [left] = await after.counts(["left"]);
    assert.deepEqual([left?.name, left?.queued, left?.scheduled], ["left", 1, 1]);
    assert.deepEqual(
      (await after.counts()).map(({ name }) => name),
      ["te"],
    );
  });

  sentence(
    "the oldest that waits is told of each queue, whatever its priority, and what runs does not wait",
    async (stage) => {
      const broker = await stage.open("one");
      const oldest = async () => (await broker.figures(["te", "left", "nothing"])).oldest;
      assert.deepEqual(await oldest(), [null, null, null]);
      const before = broker.now();
      await broker.enqueue([task("t0"), task("later", { delayMs: 60_000 }), task("t1", { queue: "left" })]);
      const [first, ofLeft, none] = await oldest();
      assert.ok(Math.abs((first ?? 0) - before) < 20_000 && Math.abs((ofLeft ?? 0) - before) < 20_000, `${first}`);
      assert.equal(none, null);
      await broker.enqueue([task("urgent", { priority: 1 })]);
      assert.equal((await oldest())[0], first, "it came later, though it goes first");
      const claimed = await broker.claim(1, stage.signal);
      assert.equal(claimed.length, 1);
      assert.equal((await oldest())[0], first);
      await broker.claim(1, stage.signal);
      assert.deepEqual((await oldest())[0], null, "both run");
    },
  );

  sentence("of many only some are named, and all are counted", async (stage) => {
    const client = await stage.open(null);
    await client.enqueue([...Array(30).keys()].map((index) => task(`t${index}`, { queue: `q${index}` })));
    const { names, count } = await client.otherQueues(7);
    assert.deepEqual([new Set(names).size, count], [7, 30]);
  });
}
