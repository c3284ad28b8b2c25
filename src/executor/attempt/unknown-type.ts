/**
 * A type that this executor does not know: another one of the fleet may, or may soon. So it is tried again with
 * growing pauses, 15 s in all, which lets a rolling deploy heal by itself; then it is dead. None of that is an attempt.
 */

const FIRST_DELAY_MS = 1_000;
const MOST_MET = 5;

export class UnknownTypeError extends Error {
  override readonly name = "UnknownTypeError";

  constructor(message: string) {
    super(message);
    delete this.stack;
  }
}

/** In how many ms it is tried again after it was met so often; null: no more. No jitter: nothing was overloaded. */
export function unknownTypeDelay(met: number): number | null {
  return met < MOST_MET ? FIRST_DELAY_MS * 2 ** (met - 1) : null;
}
