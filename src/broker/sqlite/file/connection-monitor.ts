/**
 * Whether the database works, as the last uses of it showed, and who wants to know. A use that needs no room goes
 * through on a full disk, so that one success does not end a refusal: nothing may have failed for `HOLD_MS`.
 */
import type { ConnectionState } from "../../broker.ts";

/** For how long nothing may have failed until a trouble is over, in ms. */
export const HOLD_MS = 1_000;

export class ConnectionMonitor {
  readonly #now: () => number;
  #state: ConnectionState = { state: "away", lastError: null, warnings: [] };
  #failedAt = Number.NEGATIVE_INFINITY;
  readonly #listeners = new Set<(state: ConnectionState) => void>();

  /** @param now - the monotonic clock, in ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get isWell(): boolean {
    return this.#state.state === "connected";
  }

  /** The listener must not throw. */
  onChange(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The file was opened, by whoever waited for that. */
  opened(): void {
    this.#failedAt = Number.NEGATIVE_INFINITY;
    this.up();
  }

  /** Something went through. */
  up(): void {
    if (this.isWell || this.#now() - this.#failedAt < HOLD_MS) return;
    this.#change({ ...this.#state, state: "connected", lastError: null });
  }

  /** Something failed: the file is not there (`away`), or it is there and does not work (`refusing`). */
  down(state: "away" | "refusing", error: string): void {
    this.#failedAt = this.#now();
    if (this.#state.state === state && this.#state.lastError === error) return;
    this.#change({ ...this.#state, state, lastError: error });
  }

  /** It was closed on purpose. */
  closed(): void {
    if (this.isWell) this.#change({ ...this.#state, state: "away" });
  }

  /** What is not right though it works. */
  warn(warnings: readonly string[]): void {
    this.#change({ ...this.#state, warnings });
  }

  #change(state: ConnectionState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}
