/** The kinds of values that settings and tables share: numbers, bytes and durations, each with its range. */
import * as v from "valibot";
import { formatDuration, parseDuration } from "../task/times/durations.ts";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** A whole number in a range; text of digits counts, too. */
export function wholeNumber(least: number, most: number) {
  const expected = `a whole number from ${least} to ${most}`;
  return v.pipe(
    v.union([v.number(), v.pipe(v.string(), v.regex(/^\s*\d{1,9}\s*$/, expected), v.transform(Number))], expected),
    v.integer(expected),
    v.minValue(least, expected),
    v.maxValue(most, expected),
  );
}

/** 0, or a number of bytes in a range: a plain number, or one of KB, MB or GB. */
export function bytes(least: number, most: number) {
  const expected = `0, or a number of bytes from ${least / 1e6}MB to ${most / 1e9}GB (like 256MB)`;
  const units: Readonly<Record<string, number>> = { "": 1, KB: 1e3, MB: 1e6, GB: 1e9 };
  return v.pipe(
    v.union([v.number(), v.string()], expected),
    v.transform((value) => {
      const [, digits, unit = ""] = /^\s*(\d{1,13})\s*([KMG]B)?\s*$/i.exec(String(value)) ?? [];
      return digits === undefined ? Number.NaN : Number(digits) * (units[unit.toUpperCase()] ?? Number.NaN);
    }),
    v.check((number) => number === 0 || (number >= least && number <= most), expected),
  );
}

/** What stands behind "expected" for one. */
export function expectedDuration(least: number, most: number): string {
  return (
    `a duration from ${formatDuration(least)} to ${formatDuration(most)} (500ms, 30s, 5m, 1h; a plain number ` +
    "counts seconds)"
  );
}

/** A duration in a range, in ms; as text with a unit, or a number of seconds. */
export function duration(least: number, most: number) {
  const expected = expectedDuration(least, most);
  return v.pipe(
    v.union([v.string(), v.number()], expected),
    v.rawTransform(({ dataset, addIssue, NEVER }): number => {
      const ms = parseDuration(dataset.value);
      if (ms === null || ms < least || ms > most) {
        addIssue({ message: expected });
        return NEVER;
      }
      return ms;
    }),
  );
}
