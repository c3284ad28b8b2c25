/**
 * Whether a series of readings is flat. Its span is cut into ten parts, and of each the median counts, so that a
 * collector's saw teeth do not. Two figures must both be small: how far the last three parts are above the first three,
 * and the slope over the whole span (the median of the slopes between any two parts, which no single outlier moves).
 */

export interface Tolerance {
  /** As a part of where the series begins. */
  readonly part: number;
  /** In the unit of the series; the larger of the two counts. */
  readonly least: number;
}

export interface Flatness {
  /** Medians of the first three and the last three parts. */
  readonly first: number;
  readonly last: number;
  /** How much it grows in the whole span by its slope. */
  readonly slope: number;
  /** How much it may. */
  readonly allowed: number;
  readonly isFlat: boolean;
}

const PARTS = 10;
const ENDS = 3;

/** @throws RangeError for fewer readings than twice the parts. */
export function flatnessOf(readings: readonly number[], tolerance: Tolerance): Flatness {
  if (readings.length < 2 * PARTS) {
    throw new RangeError(`${readings.length} readings show nothing: it takes at least ${2 * PARTS}`);
  }
  const parts = Array.from({ length: PARTS }, (_, part) => {
    const [from, to] = [part, part + 1].map((edge) => Math.round((edge * readings.length) / PARTS));
    return median(readings.slice(from, to));
  });
  const first = median(parts.slice(0, ENDS));
  const last = median(parts.slice(-ENDS));
  const slopes = parts.flatMap((a, at) => parts.slice(at + 1).map((b, more) => (b - a) / (more + 1)));
  const slope = median(slopes) * (PARTS - 1);
  const allowed = Math.max(first * tolerance.part, tolerance.least);
  return { first, last, slope, allowed, isFlat: last - first <= allowed && slope <= allowed };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}
