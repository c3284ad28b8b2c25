/**
 * Percentiles out of the buckets of a histogram. Nothing is kept of single values: within a bucket they are taken to
 * lie evenly, as Prometheus does, so a percentile is as exact as its bucket is narrow. One above all bounds is told as
 * the last bound.
 */

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/**
 * @param counts - how many fell into each bucket alone.
 * @param bounds - the upper bounds of the buckets.
 * @returns null where nothing was counted.
 */
export function percentilesOf(counts: ArrayLike<number>, bounds: readonly number[]): Percentiles | null {
  let total = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) total += counts[bucket] ?? 0;
  if (total <= 0) return null;
  const at = (part: number): number => quantile(counts, bounds, part * total);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** The same in ms, of bounds in seconds. */
export function percentilesInMs(counts: ArrayLike<number>, bounds: readonly number[]): Percentiles | null {
  const found = percentilesOf(counts, bounds);
  if (found === null) return null;
  const ms = (seconds: number): number => Math.round(seconds * 10_000) / 10;
  return { p50: ms(found.p50), p95: ms(found.p95), p99: ms(found.p99) };
}

function quantile(counts: ArrayLike<number>, bounds: readonly number[], rank: number): number {
  let before = 0;
  for (let bucket = 0; bucket < bounds.length; bucket++) {
    const count = counts[bucket] ?? 0;
    if (count > 0 && before + count >= rank) {
      const from = bounds[bucket - 1] ?? 0;
      return from + ((bounds[bucket] ?? from) - from) * ((rank - before) / count);
    }
    before += count;
  }
  return bounds.at(-1) ?? 0;
}

/** One list of counts and another, place by place. */
export function summed(one: ArrayLike<number>, other: ArrayLike<number>): number[] {
  const length = Math.max(one.length, other.length);
  return Array.from({ length }, (_, at) => (one[at] ?? 0) + (other[at] ?? 0));
}
