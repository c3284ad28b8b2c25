/** Purges: ended records go before their time, a bounded number a call. */
import assert from "node:assert/strict";
import type { Broker } from "../../../src/broker/broker.ts";
import { cancelledBy, claimAll, dead, done, QUEUE, task, tasks, typeOf } from "../../stage/outcomes.ts";
import { countOf, NOTHING, type Sentence, type SentenceStage } from "../../stage/sentences.ts";

/** Three tasks of each type in each queue, the first done, the second dead, the third cancelled. */
async function endedOnes(stage: SentenceStage, broker: Broker): Promise<void> {
  for (const queue of [QUEUE, "other"]) {
    for (const type of ["x", "y"]) {
      await broker.enqueue([1, 2, 3].map((n) => task(`${queue} ${type} ${n}`, { queue, type })));
      const [one, two, three] = await claimAll(broker, 3, stage.signal);
      assert.ok(one && two && three && typeOf(one) === type);
      await broker.complete([done(one), dead(two), cancelledBy(three)]);
    }
  }
}

export function purgeSentences(sentence: Sentence): void {
  sentence("a purge removes the records of one state, by queue and by type, and no others", async (stage) => {
    const broker = await stage.open("a", { queues: [QUEUE, "other"] });
    await endedOnes(stage, broker);
    const all = { ...NOTHING, done: 2, dead: 2, cancelled: 2 };
    assert.deepEqual([await countOf(broker), await countOf(broker, "other")], [all, all]);
    assert.equal(await broker.purge({ state: "dead", queue: QUEUE, type: "x" }, 1000), 1);
    assert.equal(await broker.record("te x 2"), null);
    assert.equal((await broker.record("te y 2"))?.state, "dead");
    assert.deepEqual(await countOf(broker), { ...all, dead: 1 });
    assert.equal(await broker.purge({ state: "dead", type: "y" }, 1000), 2);
    assert.equal(await broker.purge({ state: "cancelled", queue: "other" }, 1000), 2);
    assert.equal(await broker.purge({ state: "done" }, 1000), 4);
    assert.deepEqual(await countOf(broker), { ...NOTHING, cancelled: 2 });
    assert.deepEqual(await countOf(broker, "other"), { ...NOTHING, dead: 1 });
    assert.equal(await broker.purge({ state: "done" }, 1000), 0);
  });

  sentence("a purge removes no more than it was asked for, and 0 once nothing is left", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue(tasks(25));
    const claimed = await claimAll(broker, 25, stage.signal);
    await broker.complete(claimed.map((delivery) => dead(delivery)));
    const purged: number[] = [];
    while (purged.at(-1) !== 0) purged.push(await broker.purge({ state: "dead" }, 10));
    assert.deepEqual(purged, [10, 10, 5, 0]);
    assert.deepEqual(await countOf(broker), NOTHING);
  });

  sentence("what was purged may be enqueued again, and what lives is never purged", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    await broker.complete((await claimAll(broker, 1, stage.signal)).map((delivery) => dead(delivery)));
    await broker.retry(["one"]);
    assert.equal(await broker.purge({ state: "dead" }, 10), 0);
    await broker.complete((await claimAll(broker, 1, stage.signal)).map((delivery) => dead(delivery)));
    assert.equal(await broker.purge({ state: "dead" }, 10), 1);
    assert.deepEqual(await broker.enqueue([task("one")]), [{ id: "one", created: true, state: "queued" }]);
  });

  sentence("a purge of a number out of its range is refused", async (stage) => {
    const broker = await stage.open("a");
    for (const max of [0, 1001, -1, 2.5]) {
      await assert.rejects(async () => broker.purge({ state: "done" }, max), RangeError, String(max));
    }
  });
}
