/**
 * The contract's part for the connection: it is opened and closed, tells how it stands with the broker, and has the
 * broker's clock. While the broker is away or refuses, every call of every part rejects with BrokerUnavailableError.
 */

/**
 * How it stands with the broker just now. `connected`: what an executor has to do goes through. `away`: nobody answers.
 * `refusing`: it answers, but refuses what an executor has to do (it is a replica, has no memory, lacks a right).
 */
export interface ConnectionState {
  readonly state: "connected" | "away" | "refusing";
  /** Of the present trouble, without secrets, and what to do where that is known; null while connected. */
  readonly lastError: string | null;
  /** What is not right though tasks run, as sentences. */
  readonly warnings: readonly string[];
}

/** The broker cannot be reached, or did not answer in time. What was asked may or may not have happened. */
export class BrokerUnavailableError extends Error {
  override readonly name: string = "BrokerUnavailableError";
}

/**
 * The broker answers, but refuses just now; the message says why. It heals without us, so that it can be asked again.
 */
export class BrokerRefusedError extends BrokerUnavailableError {
  override readonly name: string = "BrokerRefusedError";
}

/** The same for one call alone, by what it is about (a key, a right): others may go through meanwhile. */
export class CallRefusedError extends BrokerRefusedError {
  override readonly name = "CallRefusedError";
}

/** The broker is none that we can work with, as a server that is too old; waiting does not help. */
export class BrokerUnfitError extends Error {
  override readonly name: string = "BrokerUnfitError";
}

export interface Connection {
  /** Whether another process does the work of a call, so that ours goes on meanwhile. */
  readonly isRemote: boolean;
  /** The address without user and password. */
  readonly url: string;
  /** Never waits, never throws. */
  connection(): ConnectionState;
  /** Calls the listener at each change of connection(); returns what undoes it. */
  onConnectionChange(listener: (state: ConnectionState) => void): () => void;
  /** The broker's clock, Unix ms, estimated without a round trip. */
  now(): number;

  /** Connects and creates what must exist. Waits for the broker until the signal aborts. */
  open(signal: AbortSignal): Promise<void>;
  /** Gives everything back; calls that are under way reject. Never throws. */
  close(): Promise<void>;
}
