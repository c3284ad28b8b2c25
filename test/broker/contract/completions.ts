/** The ends of attempts, progress, and what the record tells of them. */
import assert from "node:assert/strict";
import { cancelReason } from "../../../src/task/record/ended-by.ts";
import { cancelledBy, claimAll, claimOne, dead, done, idOf, QUEUE, retry, task, tasks } from "../../stage/outcomes.ts";
import { assertBetween, countsOf, promoteOnceDue, type Sentence } from "../../stage/sentences.ts";
import { eventually } from "../../stage/until.ts";

export function completionSentences(sentence: Sentence): void {
  sentence("a done task's record tells its result, its times, its log and one completion", async (stage) => {
    const broker = await stage.open("a");
    const before = broker.now();
    await broker.enqueue([task("one", { priority: 1 })]);
    const enqueued = broker.now();
    const delivery = await claimOne(broker, stage.signal);
    const told = { progress: 0.9, log: "10:00:00 half\n10:00:01 nearly" };
    const startedAt = broker.now();
    const outcome = done(delivery, { result: '{"pages":[1,2]}', startedAt, told });
    assert.deepEqual(await broker.complete([outcome]), ["recorded"]);
    const ended = broker.now();
    const record = await broker.record("one");
    assert.ok(record);
    const { enqueued_at, started_at, finished_at, ...rest } = record;
    assert.deepEqual(rest, {
      id: "one",
      type: "noop",
      queue: QUEUE,
      priority: 1,
      state: "done",
      attempt: 1,
      crashes: 0,
      completions: 1,
      progress: 1,
      progress_msg: told.log,
      result: { pages: [1, 2] },
      result_omitted: null,
      ended_by: null,
      times: null,
      reason: null,
      error: null,
      errors: [],
      executor: "a",
      message: delivery.raw,
      due_at: null,
    });
    assertBetween(enqueued_at, before, enqueued);
    assert.ok(Math.abs((started_at ?? 0) - startedAt) <= 1, `started at ${started_at}, not ${startedAt}`);
    assertBetween(finished_at, startedAt, ended);
    assert.ok((started_at ?? 0) <= (finished_at ?? 0), `started at ${started_at}, finished at ${finished_at}`);
  });

  sentence("a record tells how the last attempt ended that was told to stop, and when it was not", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue(tasks(5));
    const [late, stopped, waited, failed, tried] = await claimAll(broker, 5, stage.signal);
    assert.ok(late && stopped && waited && failed && tried);
    const killed = { how: "killed", after_ms: 2_003 } as const;
    const error = { name: "TimeoutError", message: "late", ended_by: killed };
    await broker.complete([
      dead(late, { error }),
      cancelledBy(stopped, { reason: cancelReason("cancelled by a client", { how: "heeded", after_ms: 7 }) }),
      cancelledBy(waited, { reason: "cancelled before it began" }),
      dead(failed, { error: { name: "Error", message: "no" } }),
      retry(tried, { error, delayMs: 60_000 }),
    ]);
    const heeded = { how: "heeded", after_ms: 7 };
    const ended = [killed, heeded, null, null, killed];
    const records = await Promise.all([late, stopped, waited, failed, tried].map((one) => broker.record(idOf(one))));
    assert.deepEqual(
      records.map((record) => record?.ended_by),
      ended,
    );
    const { tasks: listed } = await broker.list({ limit: 10 });
    const byId = new Map(listed.map(({ id, ended_by }) => [id, ended_by]));
    assert.deepEqual(
      records.map((record) => byId.get(record?.id ?? "")),
      ended,
    );
  });

  sentence("a record tells where the time of its attempts went", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue(tasks(5));
    const [plain, told, stopped, failed, tried] = await claimAll(broker, 5, stage.signal);
    assert.ok(plain && told && stopped && failed && tried);
    const spent = { waitedMs: 4, claimedMs: null, ranMs: 1_000 };
    const ended = { spent, startedAt: Math.round(broker.now()) - 1_500 };
    const error = { name: "Error", message: "no" };
    await broker.complete([
      done(plain, ended),
      done(told, { ...ended, told: { progress: 0.5, log: "half" } }),
      cancelledBy(stopped, { ...ended, reason: "cancelled by a client" }),
      dead(failed, { ...ended, error }),
      retry(tried, { ...ended, error, delayMs: 60_000 }),
    ]);
    const records = await Promise.all([plain, told, stopped, failed, tried].map((one) => broker.record(idOf(one))));
    for (const record of records) {
      const times = record?.times;
      assert.ok(times, `nothing is told of ${record?.id}`);
      assert.deepEqual([times.waited_ms, times.claimed_ms, times.ran_ms], [4, null, 1_000]);
      const at = record.finished_at ?? record.errors[0]?.at ?? 0;
      assert.ok(Math.abs(times.recorded_ms - (at - (record.started_at ?? 0) - 1_000)) <= 1, JSON.stringify(record));
    }
    assert.deepEqual(
      [records[3]?.errors[0]?.times, records[4]?.errors[0]?.times],
      [records[3]?.times, records[4]?.times],
    );
    const { tasks: listed } = await broker.list({ limit: 10 });
    for (const { id, times } of listed) assert.deepEqual(times, records.find((record) => record?.id === id)?.times);
  });

  sentence("a task that runs again tells nothing of the attempt before but what its errors do", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    const first = await claimOne(broker, stage.signal);
    await broker.complete([dead(first, { spent: { waitedMs: 1, claimedMs: 2, ranMs: 3 }, startedAt: broker.now() })]);
    await broker.retry(["one"]);
    const second = await claimOne(broker, stage.signal);
    assert.equal((await broker.record("one"))?.times, null);
    await broker.complete([done(second)]);
    assert.equal((await broker.record("one"))?.times, null, "its executor has told nothing");
  });

  sentence("a done task whose result was left out says why, whatever else it has to tell", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("quiet"), task("told")]);
    const [first, second] = await claimAll(broker, 2, stage.signal);
    assert.ok(first && second);
    const resultOmitted = 'the result was left out: \u{1f4a5} "too" long';
    const told = { progress: 0.5, log: "10:00:00 half" };
    await broker.complete([done(first, { resultOmitted }), done(second, { resultOmitted, told })]);
    for (const id of ["quiet", "told"]) {
      const record = await broker.record(id);
      assert.deepEqual(
        [record?.state, record?.completions, record?.result, record?.result_omitted],
        ["done", 1, null, resultOmitted],
      );
    }
    const listed = await broker.list({ state: "done", limit: 10 });
    assert.deepEqual(
      listed.tasks.map((listedTask) => listedTask.result_omitted),
      [resultOmitted, resultOmitted],
    );
  });

  sentence("a task with retention 0 leaves nothing, and its id is free again", async (stage) => {
    const broker = await stage.open("a");
    const fleeting = task("one", { retentionMs: 0 });
    await broker.enqueue([fleeting]);
    for (let round = 0; round < 2; round += 1) {
      const delivery = await claimOne(broker, stage.signal);
      assert.deepEqual(await broker.complete([done(delivery, { retentionMs: 0, recorded: false })]), ["recorded"]);
      assert.equal(await broker.record("one"), null);
      assert.deepEqual(await countsOf(broker), [{ name: QUEUE, queued: 0, running: 0, scheduled: 0, dead: 0 }]);
      assert.deepEqual(await broker.enqueue([fleeting]), [{ id: "one", created: true, state: "queued" }]);
    }
  });

  sentence("retention 0 at the end removes a record that progress had made", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one", { retentionMs: 0 })]);
    const delivery = await claimOne(broker, stage.signal);
    const told = { type: "noop", attempt: 1, startedAt: broker.now(), progress: 0.5, progressMsg: "half" };
    await broker.writeProgress([{ delivery, id: "one", ...told }]);
    assert.equal((await broker.record("one"))?.progress, 0.5);
    await broker.complete([done(delivery, { retentionMs: 0, recorded: true })]);
    assert.equal(await broker.record("one"), null);
  });

  sentence("progress that comes behind the end of its task changes nothing", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("kept"), task("fleeting", { retentionMs: 0 })]);
    for (const delivery of await claimAll(broker, 2, stage.signal)) {
      const id = idOf(delivery);
      const write = { delivery, id, type: "noop", attempt: 1, startedAt: broker.now(), progress: 0.5, progressMsg: "" };
      await broker.writeProgress([write]);
      await broker.complete([done(delivery, { retentionMs: id === "kept" ? 60_000 : 0 })]);
      await broker.writeProgress([{ ...write, progress: 0.75 }]);
    }
    const record = await broker.record("kept");
    assert.deepEqual([record?.state, record?.progress], ["done", 1]);
    assert.equal(await broker.record("fleeting"), null);
  });

  sentence("progress shows in the record while the task runs", async (stage) => {
    const [broker, client] = [await stage.open("a"), await stage.open(null)];
    await broker.enqueue([task("one")]);
    const delivery = await claimOne(broker, stage.signal);
    const startedAt = broker.now();
    const write = { delivery, id: "one", type: "noop", attempt: 1, startedAt };
    await broker.writeProgress([{ ...write, progress: 0.25, progressMsg: "a quarter" }]);
    await broker.writeProgress([{ ...write, progress: 0.5, progressMsg: "a quarter\na half" }]);
    const record = await client.record("one");
    assert.equal(record?.state, "running");
    assert.equal(record?.progress, 0.5);
    assert.equal(record?.progress_msg, "a quarter\na half");
    assert.equal(record?.attempt, 1);
    assert.equal(record?.executor, "a");
    assert.ok(Math.abs((record?.started_at ?? 0) - startedAt) <= 1);
  });

  sentence("a retry waits for its time, then comes with the new message as a first delivery", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    const delivery = await claimOne(broker, stage.signal);
    const outcome = retry(delivery, { delayMs: 300, error: { name: "TypeError", message: "not yet" } });
    assert.ok(outcome.kind === "retry");
    const since = performance.now();
    const before = broker.now();
    assert.deepEqual(await broker.complete([outcome]), ["recorded"]);
    const after = broker.now();
    const record = await broker.record("one");
    assert.equal(record?.state, "retrying");
    assert.equal(record?.attempt, 1);
    assert.deepEqual(record?.error, { name: "TypeError", message: "not yet" });
    assertBetween(record?.due_at, before + 300, after + 300);
    assert.deepEqual(await countsOf(broker), [{ name: QUEUE, queued: 0, running: 0, scheduled: 1, dead: 0 }]);
    assert.deepEqual(await broker.enqueue([task("one")]), [{ id: "one", created: false, state: "retrying" }]);
    await promoteOnceDue(broker, since, 300);
    const second = await claimOne(broker, stage.signal);
    assert.equal(second.raw, outcome.message);
    assert.equal(second.deliveries, 1);
    assert.deepEqual(await broker.complete([done(second, { attempt: 2 })]), ["recorded"]);
    const end = await broker.record("one");
    assert.equal(end?.state, "done");
    assert.equal(end?.attempt, 2);
    assert.equal(end?.completions, 1);
  });

  sentence("a retry of a task without retention comes again, and leaves nothing in the end", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one", { retentionMs: 0 })]);
    const delivery = await claimOne(broker, stage.signal);
    const outcome = retry(delivery, { delayMs: 50, retentionMs: 0, recorded: false });
    assert.deepEqual(await broker.complete([outcome]), ["recorded"]);
    await eventually(15_000, async () => (await broker.promote(10)).promoted === 1);
    const second = await claimOne(broker, stage.signal);
    await broker.complete([done(second, { attempt: 2, retentionMs: 0, recorded: true })]);
    assert.equal(await broker.record("one"), null);
    assert.deepEqual(await broker.backlog(), { pending: 0, lag: 0 });
  });

  sentence("a dead task is kept with its reason and its error, whatever its retention", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one", { retentionMs: 0 })]);
    const delivery = await claimOne(broker, stage.signal);
    const error = { name: "Error", message: "broken", stack: "Error: broken\n at x", parts: [] };
    const outcome = dead(delivery, { reason: "3 of 3 attempts failed", error, attempt: 3, retentionMs: 0 });
    assert.deepEqual(await broker.complete([outcome]), ["recorded"]);
    const record = await broker.record("one");
    assert.equal(record?.state, "dead");
    assert.equal(record?.reason, "3 of 3 attempts failed");
    assert.equal(record?.error?.message, "broken");
    assert.equal(record?.attempt, 3);
    assert.equal(record?.progress, -1);
    assert.equal(record?.completions, 0);
    assert.equal(record?.message, delivery.raw);
    assert.deepEqual(await countsOf(broker), [{ name: QUEUE, queued: 0, running: 0, scheduled: 0, dead: 1 }]);
  });

  sentence("a cancelled attempt is recorded as cancelled", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    const delivery = await claimOne(broker, stage.signal);
    assert.deepEqual(await broker.complete([cancelledBy(delivery, { reason: "not wanted" })]), ["recorded"]);
    const record = await broker.record("one");
    assert.equal(record?.state, "cancelled");
    assert.equal(record?.reason, "not wanted");
    assert.equal(record?.completions, 0);
    assert.deepEqual(await broker.backlog(), { pending: 0, lag: 0 });
  });

  sentence("one call ends attempts in every way, and answers in their order", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue(tasks(5));
    const [first, second, third, fourth, fifth] = await claimAll(broker, 5, stage.signal);
    assert.ok(first && second && third && fourth && fifth);
    await broker.complete([done(third)]);
    const outcomes = [done(first), dead(second), done(third), retry(fourth, { delayMs: 60_000 }), cancelledBy(fifth)];
    const results = await broker.complete(outcomes);
    assert.deepEqual(results, ["recorded", "recorded", "lost", "recorded", "recorded"]);
    const states = await Promise.all(tasks(5).map(async ({ id }) => (await broker.record(id))?.state));
    assert.deepEqual(states, ["done", "dead", "done", "retrying", "cancelled"]);
  });

  sentence("a completion is recorded once; the same one again is lost and changes nothing", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("one")]);
    const delivery = await claimOne(broker, stage.signal);
    assert.deepEqual(await broker.complete([done(delivery, { result: "1" })]), ["recorded"]);
    assert.deepEqual(await broker.complete([dead(delivery)]), ["lost"]);
    const record = await broker.record("one");
    assert.equal(record?.state, "done");
    assert.equal(record?.result, 1);
    assert.equal(record?.completions, 1);
  });

  sentence("an end with a number that is none is refused alone, and its task can still end", async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue(tasks(6));
    const [good, ...others] = await claimAll(broker, 6, stage.signal);
    const [one, two, three, four, five] = others;
    assert.ok(good && one && two && three && four && five);
    const results = await broker.complete([
      retry(one, { delayMs: Number.NaN }),
      retry(two, { delayMs: Number.POSITIVE_INFINITY }),
      done(good),
      retry(three, { delayMs: -1 }),
      done(four, { startedAt: Number.NaN }),
      cancelledBy(five, { told: { progress: Number.NaN, log: "" } }),
    ]);
    const said = results.map((result) => (typeof result === "object" ? result.refused : result));
    assert.equal(said[2], "recorded");
    assert.deepEqual(
      [said[0], said[1], said[3]].map((text) => /due in (\S+) ms/.exec(text ?? "")?.[1]),
      ["NaN", "Infinity", "-1"],
    );
    assert.match(said[4] ?? "", /began at NaN/);
    assert.match(said[5] ?? "", /progress is NaN/);
    assert.deepEqual(await countsOf(broker), [{ name: QUEUE, queued: 0, running: 5, scheduled: 0, dead: 0 }]);
    assert.deepEqual(
      await broker.complete(others.map((delivery) => dead(delivery))),
      others.map(() => "recorded"),
    );
    assert.deepEqual(await countsOf(broker), [{ name: QUEUE, queued: 0, running: 0, scheduled: 0, dead: 5 }]);
  });

  sentence("no record is kept of an id that never was", async (stage) => {
    const broker = await stage.open("a");
    assert.equal(await broker.record("never"), null);
  });
}
