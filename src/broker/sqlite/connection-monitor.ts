/**
 * Whether the database works, as the last use of it showed, and who wants to know.
 */
import type { ConnectionState } from "../broker.ts";

export class ConnectionMonitor {
  #state: ConnectionState = { connected: false, lastError: null };
  readonly #listeners = new Set<(state: ConnectionState) => void>();

  get state(): ConnectionState {
    return this.#state;
  }

  /** The listener must not throw. */
  onChange(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  up(): void {
    if (!this.#state.connected) this.#change({ connected: true, lastError: this.#state.lastError });
  }

  /** `error` null: closed on purpose. */
  down(error: string | null): void {
    const lastError = error ?? this.#state.lastError;
    if (this.#state.connected || lastError !== this.#state.lastError) this.#change({ connected: false, lastError });
  }

  #change(state: ConnectionState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}
