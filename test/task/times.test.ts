/** One spelling and one range of times and durations, whatever border they come through. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { prepareTask } from "../../src/task/message/new-task.ts";
import type { EnqueueOptions } from "../../src/task/options/enqueue-options.ts";
import { EARLIEST_TIME, LATEST_TIME, readTime } from "../../src/task/times/times.ts";

const NOW = Date.parse("2026-03-01T12:00:00Z");

function reasonOf(given: Parameters<typeof readTime>[0]): string {
  const read = readTime(given);
  assert.ok(!read.ok, `${String(given)} was read as ${JSON.stringify(read)}`);
  return read.reason;
}

test("a time is read as it is written, with any zone, to the millisecond", () => {
  const cases: Readonly<Record<string, string>> = {
    "2026-01-31T12:00:00Z": "2026-01-31T12:00:00.000Z",
    "2026-01-31t12:00z": "2026-01-31T12:00:00.000Z",
    "2026-01-31T13:30:00.5+01:30": "2026-01-31T12:00:00.500Z",
    "2026-01-31T00:00:00-0730": "2026-01-31T07:30:00.000Z",
    "2026-01-31 13:00:00+01": "2026-01-31T12:00:00.000Z",
    "2024-02-29T23:59:59.123999999Z": "2024-02-29T23:59:59.123Z",
    " 2026-01-31T12:00:00Z\n": "2026-01-31T12:00:00.000Z",
    "2000-01-01T00:00:00Z": "2000-01-01T00:00:00.000Z",
    "2100-01-01T00:59:59+01:00": "2099-12-31T23:59:59.000Z",
  };
  for (const [given, expected] of Object.entries(cases)) {
    assert.deepEqual(readTime(given), { ok: true, at: Date.parse(expected) }, given);
  }
});

test("whatever a Date can write within the range is read as that time", () => {
  const time = fc.integer({ min: EARLIEST_TIME, max: LATEST_TIME - 1 });
  fc.assert(
    fc.property(time, fc.integer({ min: -23 * 60 - 59, max: 23 * 60 + 59 }), (at, offset) => {
      assert.deepEqual(readTime(at), { ok: true, at });
      assert.deepEqual(readTime(new Date(at)), { ok: true, at });
      const zone = `${offset < 0 ? "-" : "+"}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
      const local = new Date(at + offset * 60_000).toISOString().replace("Z", zone);
      assert.deepEqual(readTime(local), { ok: true, at }, local);
    }),
  );
});

function two(number: number): string {
  return String(Math.floor(number)).padStart(2, "0");
}

test("a day, an hour or an offset that is not there is refused, not turned into another", () => {
  for (const day of [
    "2026-02-29",
    "2026-02-31",
    "2026-04-31",
    "2026-00-10",
    "2026-13-01",
    "2026-01-00",
    "2100-02-29",
  ]) {
    assert.match(reasonOf(`${day}T10:00:00Z`), new RegExp(`^must be a day that there is: ${day} is none$`));
  }
  for (const time of ["24:00:00Z", "23:60:00Z", "23:59:60Z", "12:00:00+24:00", "12:00:00+01:60"]) {
    assert.match(reasonOf(`2026-01-31T${time}`), /^must be a time of day from 00:00:00 to 23:59:59/, time);
  }
});

test("a time without a zone, or in another form, is refused with the one that is read", () => {
  assert.match(
    reasonOf("2026-01-31T12:00:00"),
    /^must have a zone: put Z \(UTC\) or an offset like \+01:00 behind it$/,
  );
  const others = [
    "",
    "now",
    "tomorrow",
    "2026-01-31",
    "2026-01-31  12:00:00Z",
    "31.01.2026",
    "Sat, 31 Jan 2026 12:00:00 GMT",
  ];
  for (const given of [...others, "2026-1-31T12:00:00Z", "1769860800000", "+02026-01-31T12:00:00Z", "2026-01-31T12Z"]) {
    assert.match(reasonOf(given), /^must be a time like 2026-01-31T12:00:00Z, /, given);
  }
});

test("a time outside of the range is refused with the range, and seconds are told from milliseconds", () => {
  const range = /^must be a time from 2000-01-01 to 2100-01-01/;
  for (const given of [
    "1999-12-31T23:59:59Z",
    "2100-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "0026-01-31T12:00:00Z",
  ]) {
    assert.match(reasonOf(given), range, given);
  }
  for (const given of [0, 1, -1, EARLIEST_TIME - 1, LATEST_TIME, 8.64e15, 1e300, new Date(0)]) {
    assert.match(reasonOf(given), range, String(given));
  }
  assert.match(reasonOf(1_769_860_800), /1769860800 is 1970-01-21T11:37:40.800Z; Unix ms are expected, not seconds$/);
  for (const given of [Number.NaN, Number.POSITIVE_INFINITY, new Date(Number.NaN)]) {
    assert.match(reasonOf(given), /^must be a time like/);
  }
});

test("a delay, a deadline and a retention that lead nowhere are refused before they are sent", () => {
  const refusal = (options: EnqueueOptions, retentionMs = 0): string => {
    try {
      prepareTask("t", 1, options, { now: NOW, retentionMs });
    } catch (error) {
      assert.ok(error instanceof Error && error.name === "InvalidTaskError", String(error));
      return error.message;
    }
    throw new Error(`${JSON.stringify(options)} was not refused`);
  };
  const century = 3_155_760_000_000;
  assert.match(
    refusal({ delayMs: century }),
    /^the delay is too long: the task would be due at 2126-.*up to 2100-01-01$/,
  );
  assert.match(refusal({ delayMs: 1_000, deadlineAt: NOW + 1_000 }), /^the task could never run: its deadline, 2026/);
  assert.match(refusal({ at: NOW + 5, deadlineAt: new Date(NOW + 4) }), /^the task could never run/);
  for (const ms of [Number.NaN, Number.POSITIVE_INFINITY, -1, century + 1]) {
    for (const name of ["delayMs", "timeoutMs", "retentionMs"]) {
      assert.match(refusal({ [name]: ms }), new RegExp(`^${name}: must be`), `${name} ${ms}`);
    }
    assert.match(refusal({ unique: { forMs: ms } }), /^unique.forMs: must be/);
    assert.match(refusal({ backoff: { kind: "fixed", delay_ms: ms } }), /^backoff.delay_ms: must be/);
    assert.match(refusal({}, ms), /^retentionMs: must be a number of ms from 0 to/);
  }
  // What has passed already is now.
  assert.equal(prepareTask("t", 1, { at: NOW - 9, deadlineAt: NOW }, { now: NOW, retentionMs: 0 }).dueAt, NOW - 9);
});
