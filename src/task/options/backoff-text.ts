/** A backoff as people write it, in flags and in the configuration file: `fixed:5s`, `exponential:1s:10m`. */
import { isDuration, MAX_DURATION_MS } from "../limits.ts";
import { formatDuration, parseDuration } from "../times/durations.ts";
import type { Backoff } from "./run-options.ts";

/** What stands behind "expected" for one. */
export const EXPECTED_BACKOFF =
  "fixed:DELAY, or exponential:FIRST[:MOST], like fixed:5s or exponential:1s:10m, up to " +
  formatDuration(MAX_DURATION_MS);

/** Reads one; null where it is none. */
export function parseBackoff(given: string): Backoff | null {
  const [kind, ...durations] = given.split(":");
  const [delayMs = null, maxMs = null] = durations.map(boundedDuration);
  const most = kind === "exponential" ? 2 : 1;
  const right = durations.length <= most && delayMs !== null && (durations.length === 1 || maxMs !== null);
  if ((kind !== "fixed" && kind !== "exponential") || !right) return null;
  return { kind, delay_ms: delayMs, ...(maxMs === null ? {} : { max_ms: maxMs }) };
}

/** A duration that an option may have, in ms; null where it is none, or too long. */
export function boundedDuration(given: string): number | null {
  const ms = parseDuration(given);
  return ms !== null && isDuration(ms) ? ms : null;
}
