/** Whether a task was cancelled before it began is asked until the broker answers: it does not run on a guess. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Broker, BrokerUnavailableError } from "../../../src/broker/broker.ts";
import { openRoot, withNursery } from "../../../src/concurrency/index.ts";
import { CancelWatch } from "../../../src/executor/attempt/cancel-watch.ts";
import { RunningAttempts } from "../../../src/executor/attempt/running-attempts.ts";

/** A broker that is away for the first calls, and knows of one cancel then. */
function awayFor(calls: number): { broker: Broker; asked: () => number } {
  let asked = 0;
  const cancelled = (): Promise<string[]> => {
    asked++;
    if (asked <= calls) return Promise.reject(new BrokerUnavailableError("away"));
    return Promise.resolve(["a"]);
  };
  const broker = new Proxy({} as Broker, { get: (_, name) => (name === "cancelled" ? cancelled : undefined) });
  return { broker, asked: () => asked };
}

test("a task that may be cancelled waits for a broker that is away, and hears what it says then", async () => {
  const { broker, asked } = awayFor(2);
  const watch = new CancelWatch(broker, new RunningAttempts());
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon((task) => watch.answer(task.signal));
    assert.deepEqual(await Promise.all([watch.isCancelled("a"), watch.isCancelled("b")]), [true, false]);
    assert.equal(asked(), 3);
    nursery.scope.cancel();
  });
});

test("whoever waits when the watch ends is let go", async () => {
  const { broker } = awayFor(Number.POSITIVE_INFINITY);
  const watch = new CancelWatch(broker, new RunningAttempts());
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon((task) => watch.answer(task.signal));
    const answer = watch.isCancelled("a");
    setImmediate(() => nursery.scope.cancel());
    assert.equal(await answer, false);
  });
  assert.equal(await watch.isCancelled("a"), false);
});
