/** What follows the end of a task, in the same step as the end, with the record of the ended task. */
import assert from "node:assert/strict";
import type { Broker, Delivery, EnqueueRequest, Outcome } from "../../../src/broker/broker.ts";
import { followUpOf, MOST_MESSAGE } from "../../../src/broker/contract/follow-up.ts";
import { parseMessage } from "../../../src/task/message/message.ts";
import { type TaskRecord, TaskRecordSchema } from "../../../src/task/record/record.ts";
import type { EndedState } from "../../../src/task/state.ts";
import { cancelledBy, claimOne, dead, done, idOf, QUEUE, retry, task } from "../../stage/outcomes.ts";
import { LEASE_MS, reclaimAll, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

function followed(outcome: Outcome): Outcome {
  const { id, delivery, kind } = outcome;
  const of = { id, end: kind as EndedState, what: delivery.handle };
  return { ...outcome, followUp: followUpOf("after", 60_000, of) };
}

/** What has come as a task that follows: its payload, and whom it follows. */
function read(delivery: Delivery): { payload: TaskRecord; follows: string | undefined } {
  const parsed = parseMessage(delivery.raw ?? "");
  assert.ok(parsed.ok, `unreadable: ${delivery.raw}`);
  assert.deepEqual(Object.keys(parsed.message.payload as object).sort(), Object.keys(TaskRecordSchema.entries).sort());
  return { payload: parsed.message.payload as TaskRecord, follows: parsed.message.options.follows };
}

const withOption = (id: string, options: object, other: Partial<EnqueueRequest> = {}): EnqueueRequest =>
  task(id, { ...other, message: JSON.stringify({ id, task_type: "noop", payload: { of: id }, taskexe: options }) });

async function queued(broker: Broker): Promise<number> {
  return (await broker.counts([QUEUE]))[0]?.queued ?? -1;
}

export function followUpSentences(sentence: Sentence): void {
  for (const end of [done, dead, cancelledBy]) {
    sentence(`what follows a task that is ${end.name} has its record, and comes once`, async (stage) => {
      const broker = await stage.open("a");
      await broker.enqueue([task("one")]);
      const delivery = await claimOne(broker, stage.signal);
      const told = { progress: 0.5, log: 'half "/" \u0007 ä' };
      const error = { name: "Error", message: "no/thing\n", ended_by: { how: "killed", after_ms: 7 } as const };
      const outcome = followed(
        end === done
          ? done(delivery, { result: '{"a":[1,"ä/"]}', told })
          : end === dead
            ? dead(delivery, { told, error, crashes: 2, attempt: 3 })
            : cancelledBy(delivery, { told }),
      );
      assert.deepEqual(await broker.complete([outcome]), ["recorded"]);
      const record = await broker.record("one");
      const next = await claimOne(broker, stage.signal);
      const { payload, follows } = read(next);
      assert.deepEqual([payload, follows], [record, "one"]);
      assert.equal(next.queue, QUEUE);
      assert.equal(idOf(next), outcome.followUp?.id);
      assert.equal((await broker.record(idOf(next)))?.state, "running");
      assert.deepEqual(await broker.complete([done(next)]), ["recorded"]);
      // Asked again, as after a lost answer: it has ended by then.
      await broker.complete([outcome]);
      assert.equal(await queued(broker), 0);
      assert.equal((await broker.record(idOf(next)))?.type, "after");
    });
  }

  sentence("of a task that keeps no record there is one to hand on, and none is left", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one", { retentionMs: 0 })]);
    const delivery = await claimOne(broker, stage.signal);
    const followUp = followUpOf("after", 0, { id: "one", end: "done", what: delivery.handle });
    await broker.complete([{ ...done(delivery, { retentionMs: 0, recorded: false, result: "7" }), followUp }]);
    assert.equal(await broker.record("one"), null);
    const next = await claimOne(broker, stage.signal);
    const { payload } = read(next);
    assert.deepEqual([payload.id, payload.state, payload.result, payload.executor], ["one", "done", 7, "a"]);
    assert.deepEqual(JSON.parse(payload.message).payload, { of: "one" });
    await broker.complete([done(next, { retentionMs: 0, recorded: true })]);
    const counts = (await broker.counts([QUEUE]))[0];
    assert.deepEqual([counts?.queued, counts?.running, counts?.done], [0, 0, 0]);
  });

  sentence("the errors of all attempts are handed on, and a long message is cut", async (stage) => {
    const broker = await stage.open("a");
    const payload = "ä".repeat(MOST_MESSAGE);
    await broker.enqueue([task("one", { message: JSON.stringify({ id: "one", task_type: "noop", payload }) })]);
    const first = await claimOne(broker, stage.signal);
    const error = (message: string) => ({ name: "Error", message });
    await broker.complete([retry(first, { error: error("first"), failure: { attempt: 1, before: 0 } })]);
    await eventually(10_000, async () => (await broker.promote(10)).promoted === 1);
    const second = await claimOne(broker, stage.signal);
    const last = dead(second, { attempt: 2, error: error("second"), failure: { attempt: 2, before: 1 } });
    await broker.complete([followed(last)]);
    const told = read(await claimOne(broker, stage.signal)).payload;
    assert.deepEqual(
      told.errors.map(({ attempt, message }) => [attempt, message]),
      [
        [1, "first"],
        [2, "second"],
      ],
    );
    assert.ok(told.message.length <= MOST_MESSAGE && told.message.length >= MOST_MESSAGE / 2 - 1);
    assert.match(told.message, /ä$/);
  });

  sentence("a result that is nested too deep is left out, and that is said", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    const result = `${"[".repeat(499)}${"]".repeat(499)}`;
    await broker.complete([followed(done(await claimOne(broker, stage.signal), { result }))]);
    const { payload } = read(await claimOne(broker, stage.signal));
    assert.equal(payload.result, null);
    assert.match(payload.result_omitted ?? "", /too deep/);
  });

  sentence("whoever has lost the lease enqueues nothing that follows", async (stage) => {
    const [a, b] = [await stage.open("a", { leaseMs: LEASE_MS }), await stage.open("b", { leaseMs: LEASE_MS })];
    await a.enqueue([task("one")]);
    const delivery = await claimOne(a, stage.signal);
    const [again] = await reclaimAll(b, 1);
    assert.deepEqual(await a.complete([followed(done(delivery))]), ["lost"]);
    assert.equal(await queued(a), 0);
    assert.ok(again);
    assert.deepEqual(await b.complete([followed(done(again))]), ["recorded"]);
    assert.equal(await queued(b), 1);
  });

  sentence("a waiting task that is cancelled is followed by what its message says", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([
      withOption("queued", { on_cancelled: "after" }),
      withOption("long", { on_cancelled: "after", unique_key: "k".repeat(500) }),
      withOption("later", { on_cancelled: "after" }, { delayMs: 60_000, retentionMs: 0 }),
      withOption("quiet", { on_dead: "after" }),
      withOption("follows", { on_cancelled: "after", follows: "x" }),
    ]);
    await broker.cancel(["queued", "long", "later", "quiet", "follows"]);
    await broker.cancel(["queued", "long", "later", "quiet", "follows"]);
    const came = await claimUntilEmpty(broker, stage.signal);
    const followers = came.filter((delivery) => idOf(delivery).startsWith("on_cancelled:"));
    const told = followers.map((delivery) => read(delivery).payload);
    assert.deepEqual(told.map(({ id, state, reason }) => [id, state, reason]).sort(), [
      ["later", "cancelled", "cancelled by a client"],
      ["long", "cancelled", "cancelled by a client"],
      ["queued", "cancelled", "cancelled by a client"],
    ]);
    // Entries that stand in a stream still are ended by whoever claims them, and nothing follows once more.
    const marked = came.filter((delivery) => !followers.includes(delivery));
    await broker.complete(marked.map((delivery) => followed(cancelledBy(delivery))));
    assert.equal(await queued(broker), 0);
  });

  sentence("executors tell what follows a cancel, by type and for any type", async (stage) => {
    const broker = await stage.open("a");
    await broker.tellOnCancelled([
      { type: "noop", follower: "ofNoop" },
      { type: "", follower: "ofAny" },
    ]);
    await broker.enqueue([task("one"), task("two", { type: "other" })]);
    await broker.cancel(["one", "two"]);
    const came = (await claimUntilEmpty(broker, stage.signal)).filter((one) => idOf(one).startsWith("on_"));
    assert.deepEqual(came.map((one) => [read(one).payload.id, JSON.parse(one.raw ?? "").task_type]).sort(), [
      ["one", "ofNoop"],
      ["two", "ofAny"],
    ]);
    await broker.tellOnCancelled([
      { type: "noop", follower: null },
      { type: "", follower: null },
    ]);
    await broker.enqueue([task("three")]);
    await broker.cancel(["three"]);
    assert.ok(!(await claimUntilEmpty(broker, stage.signal)).some((one) => idOf(one).startsWith("on_")));
  });
}

/** All that is there; those that were cancelled while they waited come, too, where they stand in a stream. */
async function claimUntilEmpty(broker: Broker, signal: AbortSignal): Promise<Delivery[]> {
  const last = task(`last-${Math.random()}`);
  await broker.enqueue([last]);
  const all: Delivery[] = [];
  for (;;) {
    const one = await claimOne(broker, signal);
    if (idOf(one) !== last.id) all.push(one);
    else {
      await broker.complete([done(one)]);
      return all;
    }
  }
}
