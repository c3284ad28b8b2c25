/** How much of a command's output is logged: what is beyond is counted, and the count is logged. */

/** Lines, and characters, in a second. */
const MOST_LINES = 1_000;
const MOST_LENGTH = 1_000_000;
const SECOND_MS = 1_000;

export class LogAllowance {
  #begunAt = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #length = 0;
  #dropped = 0;

  /** Whether a short line may be logged, now, in ms as of performance.now(). */
  hasRoom(now: number): boolean {
    this.#begin(now);
    return this.#lines < MOST_LINES && this.#length < MOST_LENGTH;
  }

  /** Whether a line may be logged. One that may not is counted. */
  takes(length: number, now: number): boolean {
    this.#begin(now);
    if (this.#lines >= MOST_LINES || this.#length + length > MOST_LENGTH) {
      this.#dropped++;
      return false;
    }
    this.#lines++;
    this.#length += length;
    return true;
  }

  /** So many were not even asked for. */
  drop(count: number): void {
    this.#dropped += count;
  }

  /** How many lines were left out since this was asked last. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  #begin(now: number): void {
    if (now - this.#begunAt < SECOND_MS) return;
    this.#begunAt = now;
    this.#lines = 0;
    this.#length = 0;
  }
}
