/** What a heartbeat says of the queues and types that its executor serves, within a bound. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../../../src/broker/broker.ts";
import { RunningAttempts } from "../../../src/executor/attempt/running-attempts.ts";
import { Tally } from "../../../src/executor/status/tally.ts";
import { beatJson, type HeartbeatParts } from "../../../src/executor/upkeep/beat-json.ts";

const broker = { leaseMs: 1, now: () => 5, backlog: async () => ({ pending: 0, lag: 0 }) } as unknown as Broker;

async function beatOf(serves: HeartbeatParts["serves"]): Promise<Record<string, unknown>> {
  const numbers = { concurrency: 1, bootAt: 0 };
  const parts = { broker, running: new RunningAttempts(), tally: new Tally(), name: "e", version: "0", ipAddress: "" };
  return JSON.parse((await beatJson({ ...parts, ...numbers, serves })).whole);
}

test("a beat names what is served, at most 100 types, and how many more there are", async () => {
  const types = Array.from({ length: 130 }, (_, index) => `type-${index}`);
  const some = await beatOf({ queues: ["a", "b"], types: () => types.slice(0, 100) });
  assert.deepEqual([some.queues, some.types, "more_types" in some], [["a", "b"], types.slice(0, 100), false]);
  const many = await beatOf({ queues: ["a"], types: () => types });
  assert.deepEqual([many.types, many.more_types], [types.slice(0, 100), 30]);
});

test("an executor that is not told what it claims from says nothing of it", async () => {
  const beat = await beatOf(null);
  assert.deepEqual(
    ["queues", "types"].filter((key) => key in beat),
    [],
  );
});
