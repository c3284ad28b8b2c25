/**
 * Whether a runner answers: while it has work it is pinged, and whatever comes from it counts as an answer. One that
 * has been silent for long stands still: something computes in it.
 */

/** So long after a ping a runner that has said nothing stands still, in ms. */
export const BLOCKED_MS = 250;

export class Silence {
  #pingedAt: number | null = null;
  #isBlocked = false;
  #blockedAt = 0;
  #excusedAt: number | null = null;
  /** How long it has stood still in all, in ms, not counting what goes on. */
  #stillMs = 0;
  /** How long it took to answer last, in ms. */
  lagMs = 0;

  /** It stands still, whether that is held against it or not. */
  get isBlocked(): boolean {
    return this.#isBlocked || this.#excusedAt !== null;
  }

  /** We have told it to do what keeps it from answering. */
  get isExcused(): boolean {
    return this.#excusedAt !== null;
  }

  /** Nothing is expected of it from now on, until `expect`. */
  excuse(): void {
    this.#excusedAt ??= performance.now();
    this.#pingedAt = null;
  }

  expect(): void {
    if (this.#excusedAt === null) return;
    this.#stillMs += performance.now() - this.#excusedAt;
    this.#excusedAt = null;
  }

  /** How long it has stood still in all, in ms. */
  get stillMs(): number {
    const since = this.#excusedAt ?? (this.#isBlocked ? this.#blockedAt : null);
    return this.#stillMs + (since === null ? 0 : performance.now() - since);
  }

  /** For how long a ping has been without an answer, in ms. */
  get silentMs(): number {
    return this.#pingedAt === null ? 0 : performance.now() - this.#pingedAt;
  }

  /** Something came. */
  heard(): void {
    if (this.#pingedAt === null) return;
    this.lagMs = performance.now() - this.#pingedAt;
    this.#pingedAt = null;
    if (!this.#isBlocked) return;
    this.#stillMs += performance.now() - this.#blockedAt;
    this.#isBlocked = false;
  }

  /** Whether a ping is due: none is on its way. */
  pinged(): boolean {
    if (this.#pingedAt !== null || this.#excusedAt !== null) return false;
    this.#pingedAt = performance.now();
    return true;
  }

  /** Whether it stands still since just now. */
  becomesBlocked(): boolean {
    if (this.#isBlocked || this.silentMs < BLOCKED_MS) return false;
    this.#isBlocked = true;
    this.#blockedAt = this.#pingedAt ?? performance.now();
    return true;
  }
}
