import assert from "node:assert/strict";
import { test } from "node:test";
import { CronError, nextRun } from "../../src/task/times/cron.ts";

const at = (iso: string) => Date.parse(iso);
const next = (cron: string, timezone: string | null, after: string) => {
  const time = nextRun(cron, timezone, at(after));
  return time === null ? null : new Date(time).toISOString();
};

test("a pattern of five fields comes due at the next minute that fits, in UTC where no zone is named", () => {
  assert.equal(next("30 4 * * *", null, "2026-01-01T04:29:59.999Z"), "2026-01-01T04:30:00.000Z");
  assert.equal(next("*/15 * * * *", null, "2026-01-01T04:30:00.000Z"), "2026-01-01T04:45:00.000Z");
});

test("six fields begin with seconds, and nicknames are known", () => {
  assert.equal(next("*/10 * * * * *", null, "2026-01-01T00:00:01Z"), "2026-01-01T00:00:10.000Z");
  assert.equal(next("@hourly", null, "2026-01-01T00:00:00Z"), "2026-01-01T01:00:00.000Z");
});

test("a zone shifts the time, and a time that summer time leaves out comes when it is over", () => {
  assert.equal(next("0 9 * * *", "Asia/Tokyo", "2026-01-01T01:00:00Z"), "2026-01-02T00:00:00.000Z");
  assert.equal(next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z"), "2026-03-29T01:00:00.000Z");
  assert.equal(next("30 2 * * *", "Europe/Berlin", "2026-03-29T12:00:00Z"), "2026-03-30T00:30:00.000Z");
});

test("a time that comes twice when summer time ends is met once by a daily pattern", () => {
  // 02:30 is at 00:30Z and again at 01:30Z on that day.
  const first = next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z");
  assert.equal(first, "2026-10-25T00:30:00.000Z");
  assert.equal(next("30 2 * * *", "Europe/Berlin", first ?? ""), "2026-10-26T01:30:00.000Z");
  // One that comes every hour misses neither.
  assert.equal(next("30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z"), "2026-10-25T01:30:00.000Z");
});

test("a date that does not exist never comes", () => {
  assert.equal(nextRun("0 0 31 2 *", null, Date.now()), null);
});

test("an interval counts from the time that was due before, and past ones come once", () => {
  const from = at("2026-01-01T00:00:07.123Z");
  const every = (pattern: string, after: number, anchor?: number) =>
    new Date(nextRun(pattern, null, after, anchor) ?? 0).toISOString();
  assert.equal(every("@every 30s", from), "2026-01-01T00:00:37.123Z");
  assert.equal(every("@every 1h30m", from), "2026-01-01T01:30:07.123Z");
  assert.equal(every(" @Every  1.5 s ", from), "2026-01-01T00:00:08.623Z");
  assert.equal(every("@every 30s", from, from), "2026-01-01T00:00:37.123Z");
  assert.equal(every("@every 30s", from + 29_999, from), "2026-01-01T00:00:37.123Z");
  assert.equal(every("@every 30s", from + 30_000, from), "2026-01-01T00:01:07.123Z");
  assert.equal(every("@every 30s", from + 3_600_001, from), "2026-01-01T01:00:37.123Z");
  assert.equal(every("@every 366d", from), "2027-01-02T00:00:07.123Z");
});

test("a wrong pattern is refused with what is wrong and what is expected", () => {
  for (const [cron, what] of [
    ["61 * * * *", /"61 \* \* \* \*" cannot be read: Invalid value for minute: 61; expected five fields/],
    ["* * *", /exactly five, six, or seven/],
    ["", /"" cannot be read/],
    ["@reboot", /@reboot is not supported; known are @yearly, .*, @hourly and @every/],
    ["@dayly", /@dayly is not supported; known are .* @daily/],
    ["2026-01-01T00:00:00", /a date is no pattern/],
    ["@every", /@every needs a duration like 30s, 5m or 1h30m/],
    ["@every 30", /@every needs a duration/],
    ["@every -1s", /@every needs a duration/],
    ["@every 30x", /@every needs a duration/],
    ["@every 999ms", /@every takes 1s to 366d/],
    ["@every 0s", /@every takes 1s to 366d/],
    ["@every 367d", /@every takes 1s to 366d/],
    ["@everyday", /@everyday is not supported/],
  ] as const) {
    assert.throws(
      () => nextRun(cron, null, 0),
      (error) => error instanceof CronError && what.test(error.message),
    );
  }
});

test("a zone that does not exist is refused by name", () => {
  assert.throws(() => nextRun("@daily", "Mars/Phobos", 0), /"Mars\/Phobos" is no time zone: expected an IANA name/);
});
