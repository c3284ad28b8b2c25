/** The time that an attempt has: its timeout from when its code is called, its deadline from before that. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CancelScope, openRoot, sleepForever, withScope } from "../../../src/concurrency/index.ts";
import type { Limits } from "../../../src/executor/attempt/policy.ts";
import { TimeLimit } from "../../../src/executor/attempt/time-limit.ts";
import { MockClock } from "../../../src/testing.ts";

/** Begins the attempt after so many ms, and tells after how many it was stopped, and why. */
async function stopped(limits: Limits, beginsAfterMs: number): Promise<[number, string]> {
  const clock = new MockClock();
  let limit: TimeLimit | null = null;
  const attempt = withScope(openRoot({ clock }), {}, (scope: CancelScope) => {
    limit = new TimeLimit(limits, scope, { now: () => clock.now() });
    clock.schedule(beginsAfterMs, () => limit?.begun());
    return sleepForever(scope.signal);
  });
  let at = 0;
  const ended = attempt.then(({ cancelled }) => {
    assert.ok(cancelled);
    at = clock.now();
  });
  await clock.advance(10_000);
  await ended;
  return [at, limit === null ? "" : (limit as TimeLimit).passed];
}

test("a timeout counts from when the code is called, however long the attempt waited for that", async () => {
  const late = "the attempt took longer than its 100 ms and was stopped";
  assert.deepEqual(await stopped({ timeoutMs: 100, deadlineAt: null }, 5_000), [5_100, late]);
  assert.deepEqual(await stopped({ timeoutMs: 100, deadlineAt: 9_000 }, 5_000), [5_100, late]);
});

test("a deadline does not wait for the code to be called", async () => {
  const late = "stopped at its deadline, 1970-01-01T00:00:00.200Z";
  assert.deepEqual(await stopped({ timeoutMs: 100, deadlineAt: 200 }, 5_000), [200, late]);
  assert.deepEqual(await stopped({ timeoutMs: null, deadlineAt: 200 }, 50), [200, late]);
  assert.deepEqual(await stopped({ timeoutMs: 500, deadlineAt: 200 }, 50), [200, late]);
});
