/** What is over goes as fast as it comes: step after step while there is more, by time and by number. */
import assert from "node:assert/strict";
import type { Broker } from "../../../src/broker/broker.ts";
import { claimAll, done, task, tasks } from "../../stage/outcomes.ts";
import { countOf, type Sentence, type SentenceStage } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

/** Takes steps until there is nothing left to do at once; gives how many records went, and in how many steps. */
export async function removeAll(broker: Broker): Promise<{ removed: number; steps: number }> {
  const all = { removed: 0, steps: 0 };
  for (let more = true; more; all.steps += 1) {
    const step = await broker.removeEnded();
    all.removed += step.removed;
    more = step.more;
  }
  return all;
}

async function endAll(broker: Broker, { signal }: SentenceStage, retentionMs: number, prefix: string, count: number) {
  for (let at = 0; at < count; at += 1000) {
    await broker.enqueue(tasks(Math.min(1000, count - at), `${prefix}${at}-`).map((one) => ({ ...one, retentionMs })));
    const held = await claimAll(broker, Math.min(1000, count - at), signal);
    await broker.complete(held.map((delivery) => done(delivery, { retentionMs })));
  }
}

export function removalSentences(sentence: Sentence): void {
  sentence("what is over goes in one go of short steps, and nothing else does", async (stage) => {
    const broker = await stage.open("a");
    await endAll(broker, stage, 60_000, "kept", 10);
    await endAll(broker, stage, 1_000, "over", 5_000);
    await eventually(15_000, async () => {
      await removeAll(broker);
      return (await countOf(broker)).done === 10;
    });
    assert.equal(await broker.record("over0-0"), null);
    assert.equal((await broker.record("kept0-0"))?.state, "done");
    assert.deepEqual(await broker.removeEnded(), { removed: 0, more: false });
  });

  sentence("done and cancelled tasks are kept up to their number, which none also may have", async (stage) => {
    const [limited, free] = [
      await stage.open("a", { doneLimit: 3, cancelledLimit: 2 }),
      await stage.open("b", { doneLimit: 0, cancelledLimit: 0 }),
    ];
    await endAll(free, stage, 60_000, "t", 6);
    await free.enqueue(tasks(5, "late").map((one) => ({ ...one, delayMs: 60_000 })));
    await free.cancel(tasks(5, "late").map(({ id }) => id));
    assert.equal((await removeAll(free)).removed, 0);
    assert.equal((await removeAll(limited)).removed, 6);
    const { done: doneOnes, cancelled } = await countOf(limited);
    assert.deepEqual({ doneOnes, cancelled }, { doneOnes: 3, cancelled: 2 });
  });

  sentence("cancelled tasks that still stand in a queue hold up the removal of none", async (stage) => {
    const broker = await stage.open("a", { cancelledLimit: 100 });
    const waiting = Array.from({ length: 700 }, (_, index) => task(`w${index}`, { retentionMs: 50 }));
    await broker.enqueue(waiting);
    await broker.cancel(waiting.map(({ id }) => id));
    const late = tasks(300, "late").map((one) => ({ ...one, retentionMs: 1_000, delayMs: 60_000 }));
    await broker.enqueue(late);
    await broker.cancel(late.map(({ id }) => id));
    await eventually(15_000, async () => {
      assert.ok((await removeAll(broker)).steps < 20, "it does not go round for ever");
      return (await broker.record("late0")) === null && (await broker.record("late299")) === null;
    });
  });

  sentence("too many cancelled tasks that still stand in a queue are no endless work", async (stage) => {
    const broker = await stage.open("a", { cancelledLimit: 10 });
    const waiting = tasks(250, "w");
    await broker.enqueue(waiting);
    await broker.cancel(waiting.map(({ id }) => id));
    const late = tasks(250, "late").map((one) => ({ ...one, delayMs: 60_000 }));
    await broker.enqueue(late);
    await broker.cancel(late.map(({ id }) => id));
    assert.ok((await removeAll(broker)).steps < 20);
    const left = await Promise.all(late.map(({ id }) => broker.record(id)));
    assert.ok(left.filter((record) => record !== null).length <= 10);
  });

  sentence("of several executors that remove what is over each does its part, and all of it goes", async (stage) => {
    const brokers = [await stage.open("a"), await stage.open("b")] as const;
    await endAll(brokers[0], stage, 1, "t", 3_000);
    await eventually(15_000, async () => {
      await Promise.all(brokers.map(removeAll));
      return (await countOf(brokers[0])).done === 0;
    });
  });
}
