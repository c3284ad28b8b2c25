/**
 * The errors of a task's attempts, as its record keeps them: the first, which often is the cause, and the last nine.
 * Each is shorter than the last error by itself, so that ten of them in each of ten thousand dead tasks stay bearable.
 */
import type { AttemptError, ErrorRecord } from "./record.ts";

/** How many are kept, and how many of them are the last ones. */
export const MAX_ATTEMPT_ERRORS = 10;
const LAST = MAX_ATTEMPT_ERRORS - 1;

/** The bounds of one, in UTF-16 code units: about 4 000 in all. */
const MAX_MESSAGE = 1_000;
const MAX_STACK = 2_000;
const MAX_PARTS = 5;
const MAX_PART_MESSAGE = 200;

/** Which attempt failed, when (Unix ms, the broker's clock), on which executor, and where its time went. */
export type AttemptOf = Pick<AttemptError, "attempt" | "at" | "executor" | "times">;

/** One entry of the list: the error shortened, a group with its first parts, each by name and message. */
export function attemptError(error: ErrorRecord, of: AttemptOf): AttemptError {
  const { name, message, stack, parts = [], ended_by: endedBy } = error;
  const { attempt, at, executor, times } = of;
  const kept = parts.slice(0, MAX_PARTS).map((part) => ({
    name: part.name,
    message: shortened(part.message, MAX_PART_MESSAGE),
  }));
  return {
    ...{ attempt, at: Math.round(at), executor, name, message: shortened(message, MAX_MESSAGE) },
    ...(stack === undefined ? {} : { stack: shortened(stack, MAX_STACK) }),
    ...(kept.length === 0 ? {} : { parts: kept }),
    ...(endedBy === undefined ? {} : { ended_by: endedBy }),
    ...(times === undefined ? {} : { times }),
  };
}

/** The list with one more. */
export function withError(errors: readonly AttemptError[], error: AttemptError): readonly AttemptError[] {
  const all = [...errors, error];
  return all.length <= MAX_ATTEMPT_ERRORS ? all : [...all.slice(0, 1), ...all.slice(-LAST)];
}

/**
 * Where each is kept by its number, counted from 1: the number whose place the new one takes over; null: there is room.
 *
 * @param number - that of the new one.
 */
export function droppedFor(number: number): number | null {
  return number > MAX_ATTEMPT_ERRORS ? number - LAST : null;
}

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 3).toWellFormed()}...`;
}
