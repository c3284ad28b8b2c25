/**
 * Durations as people write them: `500ms`, `30s`, `5m`, `1h`, `1d`. A plain number counts seconds.
 * Reading and writing only; what range a setting or an option allows is theirs to say.
 */

/** The units of durations, in ms. */
export const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const WRITTEN = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/;

/**
 * Reads a duration. A number, or a text without a unit, counts seconds.
 *
 * @returns whole milliseconds, or null when it is no duration (negative, not finite, an unknown unit).
 */
export function parseDuration(value: string | number): number | null {
  if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? Math.round(value * 1_000) : null;
  const match = WRITTEN.exec(value.trim());
  if (match === null) return null;
  const unit = match[2] as keyof typeof UNIT_MS | undefined;
  const ms = Math.round(Number(match[1]) * UNIT_MS[unit ?? "s"]);
  return Number.isSafeInteger(ms) ? ms : null;
}

/** Writes a duration in the largest unit that needs no fraction: 90 000 is `90s`, 1 500 is `1500ms`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (ms % UNIT_MS[unit] === 0) return `${ms / UNIT_MS[unit]}${unit}`;
  }
  return `${ms}ms`;
}
