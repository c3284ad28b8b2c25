/**
 * Why a task waits, from what the executors of a fleet tell of themselves; nothing is made up of what they do not tell.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { FleetMember } from "../../src/broker/broker.ts";
import type { PauseTarget } from "../../src/broker/contract/admin.ts";
import { readBeat } from "../../src/broker/contract/heartbeat.ts";
import { WaitingReasons, whyWaiting } from "../../src/operations/watch/waiting.ts";
import type { TaskRecord } from "../../src/task/record/record.ts";

const NOW = Date.parse("2026-03-01T12:00:00Z");

function record(other: Partial<TaskRecord> = {}): TaskRecord {
  const told = {
    progress: 0,
    progress_msg: "",
    result: null,
    reason: null,
    error: null,
    executor: null,
    message: "{}",
  };
  const times = { enqueued_at: NOW, started_at: null, finished_at: null, due_at: null };
  const counts = { priority: 0, attempt: 0, crashes: 0, completions: 0 };
  return {
    id: "t",
    type: "mail",
    queue: "common",
    state: "queued",
    ...told,
    ...times,
    ...counts,
    ...other,
  } as TaskRecord;
}

function executor(beat: Record<string, unknown> | null, ageMs = 1_000): FleetMember {
  return { name: "e", at: NOW - ageMs, beat: beat === null ? null : readBeat(JSON.stringify(beat)) };
}

const broker = (fleet: readonly FleetMember[], paused: readonly PauseTarget[] = []) => ({
  now: () => NOW,
  paused: async () => [...paused],
  fleet: async () => [...fleet],
});

const why = async (task: TaskRecord, fleet: readonly FleetMember[], paused: readonly PauseTarget[] = []) =>
  (await whyWaiting(broker(fleet, paused), task))?.reason ?? null;

const serves = (queues: readonly string[], types: readonly string[]) => executor({ queues, types });

test("it is told that nobody runs, or serves the queue, or knows the type, and what is there", async () => {
  assert.match(
    (await why(record(), [])) ?? "",
    /^no executor runs, so none serves the queue "common": taskexe run --queues/,
  );
  // Two beats were missed: that one is gone, or as good as.
  const gone = executor({ queues: ["common"], types: ["mail"] }, 80_000);
  assert.match((await why(record(), [gone, { name: "x", at: null, beat: null }])) ?? "", /^no executor runs/);
  assert.equal(
    await why(record(), [serves(["b"], ["mail"]), serves(["a", "b"], ["mail"])]),
    'no executor serves the queue "common"; those that run serve a, b',
  );
  assert.equal(
    await why(record(), [serves(["common"], ["noop", "echo"]), serves(["other"], ["mail"])]),
    'no executor that serves the queue "common" knows the type "mail"; known there are echo, noop',
  );
  const many = Array.from({ length: 40 }, (_, index) => `type-${String(index).padStart(2, "0")}`);
  assert.match((await why(record(), [serves(["common"], many)])) ?? "", /type-00, .*, type-09 and 30 more$/);
});

test("nothing is told where somebody serves it, or may", async () => {
  const wrong = serves(["other"], ["other"]);
  for (const fleet of [
    [wrong, serves(["common"], ["mail"])],
    // Executors of other makes, and more types than a beat names.
    [wrong, executor({ ip_address: "10.0.0.1" })],
    [wrong, executor(null)],
    [wrong, executor({ queues: ["common"] })],
    [wrong, executor({ queues: ["common"], types: ["a"], more_types: 3 })],
    [wrong, executor({ queues: "common", types: 5 })],
  ]) {
    assert.equal(await why(record(), fleet), null, JSON.stringify(fleet));
  }
  for (const state of ["running", "done", "dead", "cancelled"] as const)
    assert.equal(await why(record({ state }), []), null);
});

test("a pause is told first, and how to end it", async () => {
  const fleet = [serves(["common"], ["mail"])];
  const queue = { kind: "queue", name: "common" } as const;
  const type = { kind: "type", name: "mail" } as const;
  assert.equal(await why(record(), fleet, [queue, type]), 'the queue "common" is paused: taskexe resume queue common');
  assert.equal(await why(record(), [], [type]), 'the type "mail" is paused: taskexe resume type mail');
  assert.equal(
    await why(record(), fleet, [
      { kind: "queue", name: "mail" },
      { kind: "type", name: "common" },
    ]),
    null,
  );
});

test("a time that has not come is told, but not where it comes at once", async () => {
  const later = { due_at: NOW + 60_000 };
  const fleet = [serves(["common"], ["mail"])];
  assert.equal(await why(record({ state: "scheduled", ...later }), []), "it is due at 2026-03-01T12:01:00.000Z");
  assert.equal(
    await why(record({ state: "retrying", ...later }), fleet),
    "its next attempt is due at 2026-03-01T12:01:00.000Z",
  );
  assert.match((await why(record({ state: "retrying", ...later, type: "x" }), fleet)) ?? "", /knows the type "x"/);
  assert.equal(await why(record({ state: "scheduled", due_at: NOW + 500 }), fleet), null);
});

test("nothing is said for two seconds, and then each reason once", async () => {
  let at = 0;
  let asked = 0;
  let fleet: FleetMember[] = [];
  const reasons = new WaitingReasons(
    {
      ...broker([]),
      async fleet() {
        asked++;
        return fleet;
      },
    },
    () => at,
  );
  assert.equal(await reasons.next(record()), null);
  at = 1_999;
  assert.equal(await reasons.next(record()), null);
  assert.equal(asked, 0);
  at = 2_000;
  assert.match((await reasons.next(record())) ?? "", /^no executor runs/);
  assert.equal(await reasons.next(record()), null);
  assert.equal(asked, 1);
  at = 4_000;
  fleet = [serves(["other"], [])];
  assert.equal(await reasons.next(record()), null);
  at = 6_000;
  fleet = [serves(["common"], [])];
  assert.match((await reasons.next(record())) ?? "", /knows the type "mail"/);
  at = 8_000;
  fleet = [serves(["common"], ["mail"])];
  assert.equal(await reasons.next(record()), null);
});
