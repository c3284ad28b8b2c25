/**
 * Points in time as people and programs give them, for every border: flags, JSON lines, HTTP, the client. One range and
 * one spelling, so that a slip (a day that is not there, seconds for milliseconds, no zone) is told where it was made
 * and not acted upon in some other year.
 */
import * as v from "valibot";

/** The first and the last time that is taken, Unix ms: the years 2000 to 2099. */
export const EARLIEST_TIME = Date.UTC(2000, 0, 1);
export const LATEST_TIME = Date.UTC(2100, 0, 1);

/** What is said of the range. */
export const TIME_RANGE = "a time from 2000-01-01 to 2100-01-01";

/** What is said of the spelling. */
export const TIME_FORM = "2026-01-31T12:00:00Z, 2026-01-31T13:00:00+01:00, or Unix ms";

/** Unix ms, or what is wrong; the reason goes on behind the name of what was given. */
export type TimeReading = { readonly ok: true; readonly at: number } | { readonly ok: false; readonly reason: string };

/** RFC 3339; the seconds, and the minutes of the offset, may be left out. */
const WRITTEN = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?([Zz]|[+-]\d\d(?::?\d\d)?)?$/;

/**
 * Reads a time: a Date, a number of Unix ms, or text of RFC 3339 with a zone. What is finer than a millisecond is left
 * out of a text.
 */
export function readTime(given: Date | number | string): TimeReading {
  if (typeof given === "string") return readText(given.trim());
  const at = Number(given);
  if (!Number.isFinite(at)) return wrong(`must be a time like ${TIME_FORM}`);
  if (at >= EARLIEST_TIME && at < LATEST_TIME) return { ok: true, at };
  const looksLikeSeconds = typeof given === "number" && at >= EARLIEST_TIME / 1_000 && at < LATEST_TIME / 1_000;
  const got = Math.abs(at) < 8.64e15 ? `${at} is ${new Date(at).toISOString()}` : `got ${at}`;
  return wrong(`must be ${TIME_RANGE}, ${got}${looksLikeSeconds ? "; Unix ms are expected, not seconds" : ""}`);
}

function readText(text: string): TimeReading {
  const match = WRITTEN.exec(text);
  if (match === null) return wrong(`must be a time like ${TIME_FORM}`);
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(numberOf);
  const zone = match[8];
  if (zone === undefined) return wrong("must have a zone: put Z (UTC) or an offset like +01:00 behind it");
  if (month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) {
    return wrong(`must be a day that there is: ${text.slice(0, 10)} is none`);
  }
  const offset = offsetOf(zone);
  if (hour > 23 || minute > 59 || second > 59 || offset === null) {
    return wrong("must be a time of day from 00:00:00 to 23:59:59, with an offset up to 23:59");
  }
  const ms = Number((match[7] ?? "").slice(0, 3).padEnd(3, "0"));
  const at = Date.UTC(year, month - 1, day, hour, minute, second, ms) - offset;
  // Date.UTC takes the years 0 to 99 for 1900 to 1999: out of the range all the same.
  return at >= EARLIEST_TIME && at < LATEST_TIME ? { ok: true, at } : wrong(`must be ${TIME_RANGE}`);
}

function numberOf(digits: string | undefined): number {
  return Number(digits ?? 0);
}

function daysOf(year: number, month: number): number {
  // Day 0 of the next month is the last one of this.
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** In ms; null where it has more than 23 hours or 59 minutes. */
function offsetOf(zone: string): number | null {
  if (/^z$/i.test(zone)) return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(3).replace(":", ""))];
  if (hours > 23 || minutes > 59) return null;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

function wrong(reason: string): TimeReading {
  return { ok: false, reason };
}

/** A Date or Unix ms, as programs give them. */
export const TimeSchema = v.pipe(
  v.union([v.date(), v.number()], "must be a Date, or Unix ms"),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const read = readTime(dataset.value);
    if (!read.ok) addIssue({ message: read.reason });
  }),
);

/** Unix ms or text, as they stand in JSON; gives Unix ms. */
export const TimeJsonSchema = v.pipe(
  v.union([v.number(), v.string()], `must be a time like ${TIME_FORM}`),
  v.rawTransform(({ dataset, addIssue, NEVER }): number => {
    const read = readTime(dataset.value);
    if (read.ok) return read.at;
    addIssue({ message: read.reason });
    return NEVER;
  }),
);
