/**
 * Progress as handlers tell it and as brokers get it: thousands of calls, a few writes a second, the last one in each.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, ProgressWrite } from "../../../src/broker/broker.ts";
import { BrokerUnavailableError, type Delivery } from "../../../src/broker/broker.ts";
import { openRoot, withNursery } from "../../../src/concurrency/index.ts";
import { Attempt } from "../../../src/executor/attempt/attempt.ts";
import { RunningAttempts } from "../../../src/executor/attempt/running-attempts.ts";
import { writeProgress } from "../../../src/executor/reports/progress-writer.ts";
import { formatMessage, parseMessage } from "../../../src/task/message/message.ts";
import { until } from "../../stage/until.ts";
import { attemptHost } from "../attempt-host.ts";

function runningTask(): { running: RunningAttempts; task: Attempt } {
  const raw = formatMessage({ id: "one", type: "x", payload: 1 });
  const task = new Attempt({ raw, handle: "h" } as Delivery, openRoot(), attemptHost());
  const parsed = parseMessage(raw);
  assert.ok(parsed.ok);
  task.message = parsed.message;
  const running = new RunningAttempts();
  running.expect();
  running.add(task);
  return { running, task };
}

test("ten thousand calls within a round are one write, which has the last value and the messages", async () => {
  const { running, task } = runningTask();
  const rounds: (readonly ProgressWrite[])[] = [];
  const broker = { writeProgress: async (writes: readonly ProgressWrite[]) => void rounds.push(writes) };
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon((child) => writeProgress(broker as unknown as Broker, running, child.signal));
    for (let step = 1; step <= 10_000; step++) task.tellProgress(step / 10_000, `step ${step}`);
    await until("it is written", 5_000, () => rounds.length > 0);
    const told = rounds[0]?.[0];
    assert.equal(told?.progress, 1);
    assert.match(told?.progressMsg ?? "", /step 10000$/);
    assert.ok((told?.progressMsg.length ?? 0) <= 3_000, "the log is longer than its bound");
    task.tellProgress(1, "once more");
    await until("the rest is written", 5_000, () => rounds.length > 1);
    nursery.scope.cancel("seen");
  });
  assert.equal(rounds.length, 2);
});

test("what could not be written while the broker was away is written when it is back", async () => {
  const { running, task } = runningTask();
  const written: number[] = [];
  let away = 2;
  const broker = {
    async writeProgress(writes: readonly ProgressWrite[]) {
      if (away-- > 0) throw new BrokerUnavailableError("away");
      written.push(...writes.map(({ progress }) => progress));
    },
  };
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon((child) => writeProgress(broker as unknown as Broker, running, child.signal));
    task.tellProgress(0.5, "");
    await until("it is written", 5_000, () => written.length > 0);
    nursery.scope.cancel("seen");
  });
  assert.deepEqual(written, [0.5]);
});
