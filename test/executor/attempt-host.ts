/** What an attempt needs of its executor, where a test has none: a clock that stands still, and nobody to tell. */
import type { AttemptHost } from "../../src/executor/attempt/attempt.ts";
import { AttemptPolicy } from "../../src/executor/attempt/policy.ts";
import { RunningAttempts } from "../../src/executor/attempt/running-attempts.ts";

/** @param now - Unix ms. */
export function attemptHost(now = 0): AttemptHost {
  const options = { name: "one", version: "0", concurrency: 1, graceMs: 1_000 };
  return {
    broker: { now: () => now },
    policy: new AttemptPolicy(options),
    logs: { add: () => {} },
    running: new RunningAttempts(),
    graceMs: options.graceMs,
    children: { enqueue: () => Promise.reject(new Error("nothing is enqueued here")) },
    locks: {
      take: () => Promise.reject(new Error("nothing is locked here")),
      free: () => Promise.resolve(),
      ended: () => {},
    },
    abandoned: () => {},
    freed: () => {},
  };
}
