/** The bounds of what a task may say of times, for every border where a task comes in, and of what it may give back. */
import * as v from "valibot";

/** The longest duration, in ms: 100 years. A time that far from now is still one that a Date can hold. */
export const MAX_DURATION_MS = 3_155_760_000_000;

/** The longest result that is kept, in UTF-16 code units of its JSON: 1 MiB. */
export const MAX_RESULT_LENGTH = 1024 * 1024;

/** The last time that a Date can hold, Unix ms. */
export const MAX_TIME = 8_640_000_000_000_000;

/** What is said of the range. */
export const DURATION_RANGE = `must be a number of ms from 0 to ${MAX_DURATION_MS} (100 years)`;

/** 0 ms to 100 years. */
export const DurationSchema = v.pipe(
  v.number("must be a number of ms"),
  v.finite("must be finite"),
  v.minValue(0, "must be 0 or more"),
  v.maxValue(MAX_DURATION_MS, `must be at most ${MAX_DURATION_MS} ms (100 years)`),
);

/** The same rule for a number that is asked for with every task. */
export function isDuration(ms: unknown): ms is number {
  return typeof ms === "number" && ms >= 0 && ms <= MAX_DURATION_MS;
}

/** Unix ms, up to what a Date can hold. */
export const TimestampSchema = v.pipe(
  v.number("must be Unix ms"),
  v.finite("must be finite"),
  v.minValue(0, "must be 0 or more"),
  v.maxValue(MAX_TIME, `must be at most ${MAX_TIME}, the last time that a Date can hold`),
);
