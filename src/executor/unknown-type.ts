/**
 * A type that this executor does not know: another one of the fleet may, or may soon. So it is tried again with
 * growing pauses, 15 s in all, which lets a rolling deploy heal by itself; then it is dead.
 */

const FIRST_DELAY_MS = 1_000;
const ATTEMPTS = 5;

export class UnknownTypeError extends Error {
  override readonly name = "UnknownTypeError";

  constructor(message: string) {
    super(message);
    delete this.stack;
  }
}

/** In how many ms it is tried again after this attempt, from 1; null: no more. No jitter: nothing was overloaded. */
export function unknownTypeDelay(attempt: number): number | null {
  return attempt < ATTEMPTS ? FIRST_DELAY_MS * 2 ** (attempt - 1) : null;
}
