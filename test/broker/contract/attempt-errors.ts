/** What is kept of the errors of a task's attempts. */
import assert from "node:assert/strict";
import type { Broker, Delivery } from "../../../src/broker/broker.ts";
import { withOptions } from "../../../src/task/message/message.ts";
import { claimOne, dead, done, parked, retry, task } from "../../stage/outcomes.ts";
import type { Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

const error = (message: string) => ({ name: "Error", message, stack: `Error: ${message}\n    at there` });

/** Ends an attempt by a retry at once, as an executor does: the next message says how many errors there were. */
async function fail(
  broker: Broker,
  delivery: Delivery,
  before: number,
  message = `error ${before + 1}`,
): Promise<void> {
  const next = withOptions(delivery.raw ?? "", { attempt: before + 2, failures: before + 1 });
  const failure = { attempt: before + 1, before };
  await broker.complete([retry(delivery, { attempt: before + 1, error: error(message), failure, message: next })]);
  await eventually(10_000, async () => (await broker.promote(10)).promoted === 1);
}

const messagesOf = async (broker: Broker, id: string): Promise<string[]> =>
  (await broker.record(id))?.errors.map(({ message }) => message) ?? [];

export function attemptErrorSentences(sentence: Sentence): void {
  sentence(
    "every attempt's error is kept with its attempt, time and executor, over retries to the end",
    async (stage) => {
      const broker = await stage.open("a");
      const before = broker.now();
      await broker.enqueue([task("one")]);
      assert.deepEqual((await broker.record("one"))?.errors, []);
      await fail(broker, await claimOne(broker, stage.signal), 0);
      await fail(broker, await claimOne(broker, stage.signal), 1);
      const last = await claimOne(broker, stage.signal);
      const failure = { attempt: 3, before: 2 };
      await broker.complete([dead(last, { attempt: 3, reason: "Error: error 3", error: error("error 3"), failure })]);
      const record = await broker.record("one");
      assert.deepEqual(
        record?.errors.map(({ at, ...rest }) => rest),
        [1, 2, 3].map((attempt) => ({ attempt, executor: "a", ...error(`error ${attempt}`) })),
      );
      const times = record?.errors.map(({ at }) => at) ?? [];
      assert.deepEqual(times, times.toSorted());
      assert.ok((times[0] ?? 0) >= before - 1 && (times[2] ?? 0) <= broker.now() + 1, `${times} since ${before}`);
      assert.equal(record?.error?.message, "error 3");
      assert.deepEqual((await broker.list({ state: "dead", limit: 1 })).tasks[0]?.errors, record?.errors);
    },
  );

  sentence("of many errors the first and the last nine are kept", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    for (let before = 0; before < 13; before++) await fail(broker, await claimOne(broker, stage.signal), before);
    const kept = [1, 5, 6, 7, 8, 9, 10, 11, 12, 13].map((number) => `error ${number}`);
    assert.deepEqual(await messagesOf(broker, "one"), kept);
  });

  sentence("the errors stay over a retry by hand, and those that come after it join them", async (stage) => {
    const broker = await stage.open("a");
    for (const [id, retentionMs] of [
      ["kept", 60_000],
      ["without", 0],
    ] as const) {
      await broker.enqueue([task(id, { retentionMs })]);
      await fail(broker, await claimOne(broker, stage.signal), 0);
      const end = { attempt: 2, error: error("error 2"), failure: { attempt: 2, before: 1 }, retentionMs: 60_000 };
      await broker.complete([dead(await claimOne(broker, stage.signal), end)]);
      assert.equal((await broker.retry([id]))[0]?.retried, true);
      assert.deepEqual(await messagesOf(broker, id), ["error 1", "error 2"], id);
      const again = await claimOne(broker, stage.signal);
      const failures = Number(JSON.parse(again.raw ?? "").taskexe?.failures ?? 0);
      await fail(broker, again, failures, "error 3");
      assert.deepEqual(await messagesOf(broker, id), ["error 1", "error 2", "error 3"], id);
      await broker.complete([done(await claimOne(broker, stage.signal))]);
      const record = await broker.record(id);
      assert.deepEqual([record?.state, record?.error, record?.errors.length], ["done", null, 3], id);
    }
  });

  sentence(
    "the errors stay where an executor dies over a later attempt, and while the type is paused",
    async (stage) => {
      const broker = await stage.open("a");
      await broker.enqueue([task("one", { retentionMs: 0 })]);
      await fail(broker, await claimOne(broker, stage.signal), 0);
      const held = await claimOne(broker, stage.signal);
      assert.deepEqual(await messagesOf(broker, "one"), ["error 1"]);
      await broker.pause({ kind: "type", name: "noop" });
      await broker.complete([parked(held, { retentionMs: 0 })]);
      assert.deepEqual(await messagesOf(broker, "one"), ["error 1"]);
      await broker.resume({ kind: "type", name: "noop" });
      await eventually(10_000, async () => {
        await broker.promote(10);
        return (await broker.record("one"))?.state === "queued";
      });
      const again = await claimOne(broker, stage.signal);
      await broker.complete([dead(again, { attempt: 2, error: error("error 2"), failure: { attempt: 2, before: 1 } })]);
      assert.deepEqual(await messagesOf(broker, "one"), ["error 1", "error 2"]);
    },
  );

  sentence("what is kept of one error is bounded, and characters stay whole", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    const parts = Array.from({ length: 50 }, (_, index) => error(`${index} ${"y".repeat(3_000)}`));
    const huge = { name: "Error", message: "\u{1f4a5}".repeat(2_000), stack: "z".repeat(8_000), parts };
    await broker.complete([dead(await claimOne(broker, stage.signal), { error: huge })]);
    const [kept] = (await broker.record("one"))?.errors ?? [];
    assert.ok(kept && JSON.stringify(kept).length < 6_000, `${JSON.stringify(kept).length} characters`);
    assert.ok(kept.message.isWellFormed());
    assert.equal(kept.parts?.length, 5);
  });
}
