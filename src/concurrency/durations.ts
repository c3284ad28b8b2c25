// The one check of durations, so that every function refuses the same values in the same words.

/**
 * Lets a duration through.
 *
 * @throws RangeError when it is negative, NaN or not a number.
 */
export function checkDuration(ms: number, what: string): void {
  if (typeof ms === "number" && ms >= 0) return;
  throw new RangeError(`${what} needs a duration in ms >= 0, got ${String(ms)}`);
}
