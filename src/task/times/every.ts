/**
 * Intervals of schedules: `@every 30s`. They count from when the schedule was put, not from the hour, so that `@every
 * 7m` has the same pause each time.
 */
import { UNIT_MS } from "./durations.ts";

/** The bounds of an interval, in ms: executors look once a second. */
export const SHORTEST_EVERY_MS = 1_000;
export const LONGEST_EVERY_MS = 366 * 86_400_000;

const EVERY = /^@every(?:\s+(.*))?$/i;
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/** The interval in ms; null: the pattern is none; or what is wrong with it. */
export function readEvery(pattern: string): { readonly ms: number } | { readonly reason: string } | null {
  const match = EVERY.exec(pattern);
  if (match === null) return null;
  const text = (match[1] ?? "").replaceAll(/\s+/g, "");
  if (!DURATION.test(text)) return { reason: "@every needs a duration like 30s, 5m or 1h30m" };
  const parts = [...text.matchAll(PART)];
  const ms = Math.round(parts.reduce((sum, [, n, unit]) => sum + Number(n) * UNIT_MS[unit as keyof typeof UNIT_MS], 0));
  if (ms < SHORTEST_EVERY_MS || ms > LONGEST_EVERY_MS) return { reason: "@every takes 1s to 366d" };
  return { ms };
}

/** The first time after `after` on the grid of the interval through `anchor`. All in Unix ms. */
export function nextOnGrid(everyMs: number, anchor: number, after: number): number {
  return anchor + Math.max(1, Math.floor((after - anchor) / everyMs) + 1) * everyMs;
}
