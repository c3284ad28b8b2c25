/** Many cancels and retries at once over Redis: few questions, each bounded, with the answers in order. */
import assert from "node:assert/strict";
import { cancelMatching, retryMatching, total } from "../../src/operations/bulk.ts";
import { claimAll, done, idOf, task, tasks } from "../stage/outcomes.ts";
import { countOf, NOTHING } from "../stage/sentences.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis } = redisSentences();

async function scriptCalls(): Promise<number> {
  const stats = await redis().info("commandstats");
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

sentence(
  "a thousand tasks are cancelled, and queued again, in some ten scripts, each told as it was",
  async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("ended"), task("runs")]);
    const held = await claimAll(broker, 2, stage.signal);
    await broker.complete(held.filter((one) => idOf(one) === "ended").map((one) => done(one)));
    await broker.enqueue([...tasks(996, "waits"), task("sleeps", { delayMs: 60_000 })]);
    const ids = ["ended", "runs", "unknown", "sleeps", ...tasks(996, "waits").map(({ id }) => id)];
    const expected = ["done", "running", null, "scheduled", ...Array(996).fill("queued")];
    // Known to Redis by their hashes from then on.
    await broker.cancel(["nobody"]);
    await broker.retry(["nobody"]);
    await redis().config("RESETSTAT");
    assert.deepEqual(
      await broker.cancel(ids),
      ids.map((id, index) => ({ id, state: expected[index] })),
    );
    const cancelling = await scriptCalls();
    assert.ok(cancelling <= 20, `${cancelling} scripts`);
    const retried = await broker.retry(ids);
    assert.ok((await scriptCalls()) - cancelling <= 20, "and so are retries");
    assert.deepEqual(
      retried.map(({ id }) => id),
      ids,
    );
    assert.deepEqual(retried.slice(0, 4), [
      { id: "ended", state: "done", retried: false },
      { id: "runs", state: "queued", retried: false },
      { id: "unknown", state: null, retried: false },
      { id: "sleeps", state: "cancelled", retried: true },
    ]);
    assert.ok(retried.slice(4).every(({ state, retried: again }) => state === "cancelled" && again));
    assert.deepEqual(await broker.cancelled(ids), ["runs", "unknown"]);
  },
);

sentence("a cancel and a retry of all that match read no record whole, and miss none", async (stage) => {
  const broker = await stage.open("a");
  const sleeping = tasks(1_500, "sleeps").map((one) => ({ ...one, delayMs: 60_000 }));
  for (const some of [tasks(1_000, "waits"), sleeping.slice(0, 750), sleeping.slice(750)]) await broker.enqueue(some);
  await broker.enqueue([task("other", { type: "other" })]);
  await redis().config("RESETSTAT");
  assert.equal(await total(cancelMatching(broker, { type: "noop" })), 2_500);
  assert.equal(await total(retryMatching(broker, { type: "noop", state: "cancelled" })), 2_500);
  assert.doesNotMatch(await redis().info("commandstats"), /cmdstat_hgetall/);
  assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 2_501 });
});
