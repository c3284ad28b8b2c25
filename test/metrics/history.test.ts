/** The history of a fleet: rings that hold what they promise, and how it is made of what executors tell. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../src/metrics/history.ts";
import { RANGES, RINGS, Rings, slotTimes } from "../../src/metrics/rings.ts";
import type { WorkJson } from "../../src/metrics/work-json.ts";

const NOW = Date.parse("2026-01-31T12:00:00Z");
const SLOT = RINGS[0].stepMs;

const work = (done: number, retried = 0, of: Partial<WorkJson> = {}): WorkJson => ({
  pairs: [["common", "sum", [done, retried]]],
  types: { sum: { running: 0, minute: [0, 0], ran: [done], waited: [0, done] } },
  queues: { common: [0, done] },
  ...of,
});

test("a slot holds what came in it; one that nothing came to is 0, and what is too old is gone", () => {
  const rings = new Rings(1);
  rings.add(NOW, [3]);
  rings.add(NOW + 1, [4]);
  rings.add(NOW + 5 * SLOT, [1]);
  const slots = rings.read("15m", NOW + 5 * SLOT).map(([value]) => value);
  assert.equal(slots.length, RANGES["15m"].slots);
  assert.deepEqual(slots.slice(-6), [7, 0, 0, 0, 0, 1]);
  assert.equal(
    slots.slice(0, -6).every((value) => value === 0),
    true,
  );
  const later = rings.read("15m", NOW + 100 * SLOT).map(([value]) => value);
  assert.deepEqual(new Set(later), new Set([0]), "nothing of a ring that has turned since");
  assert.equal(
    rings.read("1h", NOW + 100 * SLOT).reduce((sum, [value = 0]) => sum + value, 0),
    8,
  );
  // A ring that went round once more has not kept anything of the round before.
  rings.add(NOW + 91 * SLOT, [5]);
  assert.equal(
    rings.read("15m", NOW + 91 * SLOT).reduce((sum, [value = 0]) => sum + value, 0),
    6,
  );
});

test("what was looked at stands until the next look, for a minute at the most", () => {
  const rings = new Rings(1);
  const read = (now: number, carriedMs?: number) => rings.read("15m", now, carriedMs).map(([value]) => value);
  rings.set(NOW, [3]);
  rings.set(NOW + 3 * SLOT, [5]);
  assert.deepEqual(read(NOW + 3 * SLOT).slice(-5), [0, 3, 3, 3, 5]);
  assert.deepEqual(read(NOW + 5 * SLOT).slice(-3), [5, 0, 0], "what is summed does not last");
  assert.deepEqual(read(NOW + 11 * SLOT, 60_000).slice(-9), [5, 5, 5, 5, 5, 5, 5, 0, 0]);
  // Nobody has looked for longer: it is not known what was there.
  rings.set(NOW + 12 * SLOT, [1]);
  assert.deepEqual(read(NOW + 12 * SLOT).slice(-10), [5, 5, 5, 5, 5, 5, 5, 0, 0, 1]);
});

test("every range ends with now, and its slots lie side by side", () => {
  for (const range of ["15m", "1h", "24h", "7d"] as const) {
    const times = slotTimes(range, NOW + 7);
    const { stepMs } = RINGS[RANGES[range].ring];
    assert.equal(times.length, RANGES[range].slots);
    assert.ok((times.at(-1) ?? 0) <= NOW + 7 && (times.at(-1) ?? 0) + stepMs > NOW + 7);
    assert.ok(times.every((time, at) => at === 0 || time - (times[at - 1] ?? 0) === stepMs));
  }
});

test("what has grown is added, by queue and type; what was counted before is not", () => {
  const history = new History(NOW);
  history.grown(work(5, 1), work(2), NOW);
  history.grown(work(5, 1), work(5, 1), NOW);
  // It was started anew, and counts from 0.
  history.grown(work(1), work(5, 1), NOW + SLOT);
  const other: WorkJson = { pairs: [["mail", "send", [2, 0, 1]]], types: {}, queues: {} };
  history.grown(other, null, NOW + SLOT);
  history.waiting([{ queue: "common", waiting: 7, oldestSeconds: 3.25 }], NOW + SLOT);

  const all = history.read({ range: "15m" }, NOW + SLOT);
  assert.deepEqual(all.outcomes.done.slice(-2), [3, 3]);
  assert.deepEqual([all.outcomes.retried.at(-2), all.outcomes.dead.at(-1)], [1, 1]);
  assert.ok((all.run_ms?.p50.at(-2) ?? 0) > 0 && all.run_ms?.p50.at(-3) === null);
  assert.deepEqual(all.failing, [
    { type: "sum", failed: 1, attempts: 5 },
    { type: "send", failed: 1, attempts: 3 },
  ]);
  assert.deepEqual(
    all.queues.map(({ name, waiting, oldest_s }) => [name, waiting.at(-1), oldest_s.at(-1), waiting.at(-2)]),
    [["common", 7, 3.3, 0]],
  );
  const mail = history.read({ range: "15m", queue: "mail" }, NOW + SLOT);
  assert.deepEqual([mail.outcomes.done.at(-1), mail.run_ms, mail.queues], [2, null, []]);
  const sum = history.read({ range: "1h", type: "sum" }, NOW + SLOT);
  assert.equal(
    sum.outcomes.done.reduce((a, b) => a + b, 0),
    4,
  );
  const none = history.read({ range: "7d", type: "nobody" }, NOW + SLOT);
  assert.deepEqual([new Set(none.outcomes.done), none.failing], [new Set([0]), []]);
});

test("however many queues, types and marks there are, no more are kept than have places; sums stay true", () => {
  const history = new History(NOW);
  const names = Array.from({ length: 300 }, (_, index) => `n${index}`);
  for (const name of names) {
    const types = { [name]: { running: 0, minute: [0, 0] as const, ran: [1], waited: [1] } };
    history.grown({ pairs: [[name, name, [1]]], types, queues: { [name]: [1] } }, null, NOW);
    history.mark({ at: NOW, kind: "deploy", executor: name, what: "version 1" });
  }
  history.waiting(
    names.map((queue) => ({ queue, waiting: 1, oldestSeconds: 0 })),
    NOW,
  );
  const all = history.read({ range: "15m" }, NOW);
  assert.deepEqual([all.outcomes.done.at(-1), all.queues.length, all.marks.length], [300, 24, 200]);
  assert.ok(all.run_ms?.p50.at(-1) !== null);
});
