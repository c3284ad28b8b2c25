/** What no broker can record of an end: checked before anything of it is written, one outcome at a time. */
import { MAX_DURATION_MS, MAX_TIME } from "../task/limits.ts";
import type { Outcome } from "./broker.ts";

/** Why this outcome cannot be recorded; null: it can. A number that is none would be refused, or stored as nothing. */
export function outcomeProblem(outcome: Outcome): string | null {
  const { attempt, crashes, startedAt, retentionMs, told } = outcome;
  if (!isCount(attempt)) return `its attempt is ${attempt}, where a whole number is expected`;
  if (!isCount(crashes)) return `its number of crashes is ${crashes}, where a whole number is expected`;
  if (startedAt !== null && !isBetween(startedAt, MAX_TIME)) return `it began at ${startedAt}, which is no time`;
  if (!isBetween(retentionMs, MAX_DURATION_MS)) return `its retention is ${retentionMs} ms: 0 to 100 years can be`;
  if (told !== null && !Number.isFinite(told.progress)) return `its progress is ${told.progress}, which is no number`;
  if (outcome.kind === "retry" && !isBetween(outcome.delayMs, MAX_DURATION_MS)) {
    return `its next attempt is due in ${outcome.delayMs} ms: 0 to 100 years can be`;
  }
  return null;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isBetween(value: number, most: number): boolean {
  return value >= 0 && value <= most;
}
