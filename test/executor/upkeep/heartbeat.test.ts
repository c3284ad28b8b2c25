/** When an executor beats: as often as it must, and within a second or so of a change of what its beats tell. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import { CapacityLimiter, Latch, openRoot, withScope } from "../../../src/concurrency/index.ts";
import { RunningAttempts } from "../../../src/executor/attempt/running-attempts.ts";
import { Tally } from "../../../src/executor/status/tally.ts";
import type { HeartbeatParts } from "../../../src/executor/upkeep/beat-json.ts";
import { keepBeating } from "../../../src/executor/upkeep/heartbeat.ts";

/** Runs the heartbeat until it has beaten `count` times, and tells which of the beats were due, and what they said. */
async function beats(
  count: number,
  everyMs: number,
  tally: Tally,
  onBeat: () => void = () => {},
): Promise<readonly { readonly isDue: boolean; readonly beat: Record<string, unknown> }[]> {
  const told: { isDue: boolean; beat: Record<string, unknown> }[] = [];
  const enough = new Latch();
  const broker: Pick<Broker, "leaseMs" | "backlog" | "now" | "beat"> = {
    leaseMs: 30_000,
    backlog: async () => ({ pending: 0, lag: 0 }),
    now: () => Date.now(),
    beat: async (json, isDue = true) => {
      told.push({ isDue, beat: JSON.parse(json) });
      if (told.length === count) enough.set();
      onBeat();
      return null;
    },
  };
  const parts: HeartbeatParts = {
    ...{ broker: broker as Broker, running: new RunningAttempts(), tally, serves: null, name: "one", version: "0" },
    ...{ concurrency: 1, bootAt: Date.now(), ipAddress: "127.0.0.1" },
  };
  await withScope(openRoot(), {}, async (scope) => {
    const beating = keepBeating(parts, everyMs, async () => true, new CapacityLimiter(1), scope.signal).catch(() => {});
    await enough.wait(openRoot().signal);
    scope.cancel("enough");
    await beating;
  });
  return told;
}

test("an executor in which nothing changes beats when it must, and not before", async () => {
  const told = await beats(2, 1_200, new Tally());
  assert.deepEqual(
    told.map(({ isDue }) => isDue),
    [true, true],
  );
});

test("a change is told soon, by a beat that gives way to the next, and what ended is told apart", async () => {
  const tally = new Tally();
  const begun = performance.now();
  const telling = beats(2, 60_000, tally, () => {
    tally.cancelled = 2;
  });
  tally.dead = 1;
  tally.retried = 3;
  const told = await telling;
  assert.ok(performance.now() - begun < 30_000, "long before the next is due");
  assert.deepEqual(
    told.map(({ isDue, beat: { failed, dead, cancelled, retried } }) => ({ isDue, failed, dead, cancelled, retried })),
    [
      { isDue: false, failed: 1, dead: 1, cancelled: 0, retried: 3 },
      { isDue: false, failed: 3, dead: 1, cancelled: 2, retried: 3 },
    ],
  );
});
