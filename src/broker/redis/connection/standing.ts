/**
 * How we stand with Redis just now, put together from all that shows it: which connections are open, what the server
 * refuses to everybody, and which of the executor's own duties it refuses. A refusal counts as over only once nothing
 * was refused for `HOLD_MS`: else each command that still goes through would call it over, many times a second.
 */
import type { ConnectionState } from "../../broker.ts";

/** For how long nothing may have been refused until a refusal is over, in ms. */
export const HOLD_MS = 500;

/** How long a duty counts as refused that nobody tries again, in ms: all that must be done is tried far more often. */
const UNTRIED_MS = 15_000;

/** What is told where a connection ended without saying why. */
export const LOST = "the connection was lost";

interface Refusal {
  readonly reason: string;
  /** When it was refused last. */
  at: number;
  /** Whether it has gone through since. */
  isOver: boolean;
  /** How long it holds where nobody tries again, in ms. */
  readonly lastsMs: number;
}

/** The duties without which tasks still run: a refusal of one is a warning. */
const MINOR: ReadonlySet<string> = new Set([
  "progress",
  "task logs",
  "clean-up",
  "removal",
  "counts",
  "leave",
  "cancels by push",
]);

export class RedisStanding {
  readonly #now: () => number;
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  readonly #duties = new Map<string, Refusal>();
  #isOpen = false;
  /** Whether it ever was: what has not been opened yet cannot be lost. */
  #wasOpen = false;
  /** Why a connection that is needed is not open. */
  #shut: { readonly state: "away" | "refusing"; readonly reason: string } | null = null;
  /** What the server refuses to everybody. */
  #server: Refusal | null = null;
  /** Why it counts as away though connections open: it left a write without an answer, and has taken none since. */
  #silence: string | null = null;
  #advice: readonly string[] = [];
  #told: ConnectionState = { state: "away", lastError: null, warnings: [] };

  /** @param now - the monotonic clock, in ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get state(): ConnectionState {
    return this.#told;
  }

  /** Whether something is refused, so that somebody must look when it is over. */
  get isRefused(): boolean {
    return this.#server !== null || this.#silence !== null || this.#duties.size > 0;
  }

  onChange(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** All connections that are needed are open. */
  opened(): void {
    this.#isOpen = true;
    this.#wasOpen = true;
    this.#shut = null;
    this.#tell();
  }

  /** One of them is not. */
  shut(): void {
    this.#isOpen = false;
    this.#tell();
  }

  /** An attempt to open one failed. @param refused - Redis itself said no. */
  notOpened(reason: string, refused: boolean): void {
    this.#shut = { state: refused ? "refusing" : "away", reason };
    this.#tell();
  }

  /** The server refuses whatever is asked. */
  refused(reason: string): void {
    this.#silence = null;
    this.#server = { reason, at: this.#now(), isOver: false, lastsMs: Number.POSITIVE_INFINITY };
    this.#tell();
  }

  /** A write got no answer: a connection that opens does not show that the next one will. */
  silent(reason: string): void {
    this.#silence = reason;
    this.#tell();
  }

  /** A duty was refused. @param lastsMs - for how long where it is not tried again, in ms. */
  dutyRefused(duty: string, reason: string, lastsMs: number = UNTRIED_MS): void {
    this.#duties.set(duty, { reason, at: this.#now(), isOver: false, lastsMs });
    this.#tell();
  }

  /** A duty went through. */
  dutyDone(duty: string): void {
    const refusal = this.#duties.get(duty);
    if (refusal !== undefined) refusal.isOver = true;
  }

  /** Whatever was written went through. */
  serverDone(): void {
    this.#silence = null;
    if (this.#server !== null) this.#server.isOver = true;
  }

  /** What is not right with the server, though it works. */
  advise(warnings: readonly string[]): void {
    this.#advice = warnings;
    this.#tell();
  }

  /** Forgets refusals that are over. */
  settle(): void {
    const now = this.#now();
    const isPast = ({ isOver, at, lastsMs }: Refusal): boolean => now - at >= (isOver ? HOLD_MS : lastsMs);
    if (this.#server !== null && isPast(this.#server)) this.#server = null;
    for (const [duty, refusal] of this.#duties) if (isPast(refusal)) this.#duties.delete(duty);
    this.#tell();
  }

  /** Tells nobody any more. */
  close(): void {
    this.#listeners.clear();
  }

  /** What stands in the way; null: nothing. */
  #trouble(): { readonly state: "away" | "refusing"; readonly lastError: string | null } | null {
    if (!this.#isOpen && this.#shut !== null) return { state: this.#shut.state, lastError: this.#shut.reason };
    // A connection that we dropped since the server refused is no news.
    if (this.#server !== null) return { state: "refusing", lastError: this.#server.reason };
    if (this.#silence !== null) return { state: "away", lastError: this.#silence };
    if (!this.#isOpen) return { state: "away", lastError: this.#wasOpen ? LOST : null };
    for (const [duty, { reason }] of this.#duties) {
      if (!MINOR.has(duty)) return { state: "refusing", lastError: reason };
    }
    return null;
  }

  #tell(): void {
    const minor = [...this.#duties]
      .filter(([duty]) => MINOR.has(duty))
      .map(([duty, { reason }]) => `${duty}: ${reason}`);
    const { state, lastError } = this.#trouble() ?? { state: "connected", lastError: null };
    const next: ConnectionState = { state, lastError, warnings: [...this.#advice, ...minor] };
    if (JSON.stringify(next) === JSON.stringify(this.#told)) return;
    this.#told = next;
    for (const listener of [...this.#listeners]) listener(next);
  }
}
