/**
 * A type that this executor does not know: another one of the fleet may, or may soon. So it is tried again with
 * growing pauses, 15 s in all, which lets a rolling deploy heal by itself; then it is dead. None of that is an attempt.
 */
import type { ErrorRecord } from "../../task/record/record.ts";

const FIRST_DELAY_MS = 1_000;
const MOST_MET = 5;
/** How many of the known types an error names. */
const MOST_NAMED = 20;

/** What its record says, with some of the types that this executor knows. */
export function unknownTypeError(type: string, known: readonly string[]): ErrorRecord {
  const some = known.slice(0, MOST_NAMED).join(", ");
  return { name: "UnknownTypeError", message: `no handler for the type "${type}"; this executor knows ${some}` };
}

/** In how many ms it is tried again after it was met so often; null: no more. No jitter: nothing was overloaded. */
export function unknownTypeDelay(met: number): number | null {
  return met < MOST_MET ? FIRST_DELAY_MS * 2 ** (met - 1) : null;
}
