/** How long a failed task waits: the shape of both backoffs, their bounds, and the errors that say it themselves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEFAULT_BACKOFF } from "../../src/executor/options.ts";
import { MAX_DURATION_MS } from "../../src/task/limits.ts";
import { backoffDelay, RetryLaterError } from "../../src/task/options/retry.ts";

const latest = () => 1 - Number.EPSILON;

test("by default the ceiling doubles from a second, and is ten minutes at the most", () => {
  const ceilings = [1, 2, 3, 4, 9, 10, 11, 12, 1_000].map((attempt) => backoffDelay(DEFAULT_BACKOFF, attempt, latest));
  assert.deepEqual(
    ceilings,
    [1, 2, 4, 8, 256, 512, 600, 600, 600].map((seconds) => seconds * 1_000),
  );
});

test("an exponential delay is anything from 0 to the ceiling, each as likely", () => {
  const delays = Array.from({ length: 4_000 }, () => backoffDelay(DEFAULT_BACKOFF, 4));
  assert.ok(Math.min(...delays) < 400 && Math.max(...delays) > 7_600, "the ends are hardly ever met");
  const mean = delays.reduce((sum, ms) => sum + ms, 0) / delays.length;
  assert.ok(mean > 3_600 && mean < 4_400, `they are ${mean} ms on average, not about 4 000`);
});

test("a fixed delay has no jitter, and its bound counts too", () => {
  assert.equal(backoffDelay({ kind: "fixed", delay_ms: 1_500 }, 7), 1_500);
  assert.equal(backoffDelay({ kind: "fixed", delay_ms: 1_500, max_ms: 1_000 }, 7), 1_000);
});

test("whatever the backoff and the attempt, the delay is one that a broker takes", () => {
  const ms = fc.double({ min: 0, max: MAX_DURATION_MS, noNaN: true });
  const backoff = fc.record(
    { kind: fc.constantFrom("fixed" as const, "exponential" as const), delay_ms: ms, max_ms: ms },
    { requiredKeys: ["kind", "delay_ms"] },
  );
  fc.assert(
    fc.property(
      backoff,
      fc.integer({ min: 1 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (one, attempt, at) => {
        const delay = backoffDelay(one, attempt, () => at);
        return delay >= 0 && delay <= Math.min(MAX_DURATION_MS, (one.max_ms ?? MAX_DURATION_MS) + 1);
      },
    ),
  );
});

test("an error can ask for any delay that a broker takes, and for no other", () => {
  assert.equal(new RetryLaterError(0).delayMs, 0);
  assert.equal(new RetryLaterError(5_000, "the API is closed").message, "the API is closed");
  for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    assert.throws(() => new RetryLaterError(wrong), /the delay must be 0 to 3155760000000 ms, got/);
  }
});
