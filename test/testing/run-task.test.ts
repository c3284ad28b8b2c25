/** One attempt in a test, on each runtime: what the handler gets, and what the test is told. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as v from "valibot";
import { DoNotRetryError, defineTask, RetryLaterError, sleep, sleepForever } from "../../src/index.ts";
import { MockClock, runTask } from "../../src/testing.ts";

const greet = defineTask({
  type: "greet",
  payload: v.object({ name: v.string(), times: v.optional(v.number(), 1) }),
  run: ({ payload }) => ({ greeting: `Hello, ${payload.name}!`, times: payload.times, nothing: undefined }),
});

describe("runTask", () => {
  test("gives the payload through its schema, and the result as JSON", async () => {
    const run = await runTask(greet, { name: "Ada" });
    assert.deepEqual(run, {
      ...{ id: run.id, type: "greet", attempt: 1, state: "done", resultOmitted: null, error: null, reason: null },
      ...{ result: { greeting: "Hello, Ada!", times: 1 }, retryInMs: null, progress: [], log: [] },
    });
    assert.ok(run.id.length > 10);
  });

  test("tells of a payload that the schema refuses as the record would: dead, and why", async () => {
    // @ts-expect-error the name is missing
    const run = await runTask(greet, { nme: "Ada" });
    assert.equal(run.state, "dead");
    assert.equal(run.error?.name, "PayloadError");
    assert.match(run.error?.message ?? "", /name/);
  });

  test("refuses what no task could be", async () => {
    const any = defineTask({ type: "any", run: () => 1 });
    await assert.rejects(runTask(any, 1n), /the payload cannot be written as JSON|BigInt/);
    await assert.rejects(runTask(any, 1, { timeoutMs: -1 }), /timeout/i);
    for (const attempt of [0, 1.5])
      await assert.rejects(runTask(any, 1, { attempt }), /attempt must be a whole number/);
    await assert.rejects(runTask(any, 1, { signal: AbortSignal.abort(new Error("no")) }), /^Error: no$/);
  });

  test("collects progress and log", async () => {
    const tells = defineTask({
      type: "tells",
      async run({ progress, log }) {
        await progress(0.25, "a quarter");
        log.warn("low on {what}", { what: "ink" });
        await progress(1);
      },
    });
    const run = await runTask(tells);
    assert.deepEqual(run.progress, [
      { value: 0.25, message: "a quarter" },
      { value: 1, message: "" },
    ]);
    assert.deepEqual(run.log, [{ level: "warn", text: "low on ink" }]);
    assert.deepEqual([run.state, run.result], ["done", null]);
  });

  test("gives the task's id, number of the attempt and options, and runs in a nursery", async () => {
    const seen: unknown[] = [];
    const looks = defineTask({
      type: "looks",
      delayMs: 60_000,
      async run({ task, attempt, nursery, scope }) {
        nursery.startSoon(async () => {
          await sleep(1, scope.signal);
          seen.push("child");
        });
        seen.push(task.id, task.type, task.queue, task.priority, attempt);
      },
    });
    const run = await runTask(looks, null, { id: "me", queue: "other", priority: 3, attempt: 2 });
    assert.deepEqual(seen, ["me", "looks", "other", 3, 2, "child"]);
    assert.deepEqual([run.id, run.attempt, run.state], ["me", 2, "done"]);
  });

  test("tells a failure with its retry, and the last one without", async () => {
    const fails = defineTask({
      type: "fails",
      attempts: 2,
      backoff: (attempt) => attempt * 1_000,
      run: () => Promise.reject(new TypeError("no such page")),
    });
    const first = await runTask(fails);
    assert.deepEqual([first.state, first.retryInMs, first.error?.name], ["retrying", 1_000, "TypeError"]);
    const last = await runTask(fails, null, { attempt: 2 });
    assert.deepEqual([last.state, last.retryInMs, last.error?.message], ["dead", null, "no such page"]);
    assert.match(last.reason ?? "", /no such page/);
  });

  test("knows the errors that say what is to become of the task", async () => {
    const told: Error[] = [new DoNotRetryError("gone for good"), new RetryLaterError(5_000, "busy")];
    const throws = defineTask({
      type: "throws",
      run: () => {
        throw told.shift();
      },
    });
    assert.equal((await runTask(throws)).state, "dead");
    const later = await runTask(throws);
    assert.deepEqual([later.state, later.retryInMs], ["retrying", 5_000]);
  });

  test("lives in virtual time: a sleep of a day, and a timeout, take no time", async () => {
    const sleeps = defineTask({
      type: "sleeps",
      timeoutMs: 172_800_000,
      payload: v.number(),
      run: async ({ payload, signal }) => sleep(payload, signal).then(() => "slept"),
    });
    const clock = new MockClock();
    const slept = runTask(sleeps, 86_400_000, { clock });
    await clock.advance(86_400_000);
    assert.equal((await slept).result, "slept");
    const late = runTask(sleeps, 1e9, { clock });
    await clock.advance(172_800_000);
    const run = await late;
    assert.deepEqual([run.state, run.error?.name], ["retrying", "TimeoutError"]);
    assert.match(run.error?.message ?? "", /took longer than its 172800000 ms/);
    assert.equal(clock.pendingTimers, 0);
  });

  test("an abort is a cancel of the task", async () => {
    const waits = defineTask({ type: "waits", run: ({ signal }) => sleepForever(signal) });
    const controller = new AbortController();
    const running = runTask(waits, null, { signal: controller.signal });
    controller.abort();
    const run = await running;
    assert.equal(run.state, "cancelled");
    assert.match(run.reason ?? "", /^cancelled/);
  });

  test("says why what was returned is not kept", async () => {
    const returns = defineTask({ type: "returns", run: () => 1n });
    const run = await runTask(returns);
    assert.deepEqual([run.state, run.result], ["done", null]);
    assert.match(run.resultOmitted ?? "", /cannot be written as JSON/);
  });
});
