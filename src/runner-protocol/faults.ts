/**
 * What a runner, or the executor, has said that it must not: each is told, and the tenth is too many. One count for a
 * whole connection, whoever finds the fault.
 */
import { MOST_FAULTS } from "./limits.ts";

/** The other side does not keep to the protocol: the connection is to be ended. */
export class TooManyFaultsError extends Error {
  override readonly name = "TooManyFaultsError";
}

export class Faults {
  readonly #tell: (what: string) => void;
  #count = 0;

  /** @param tell - called with each fault, in words. */
  constructor(tell: (what: string) => void) {
    this.#tell = tell;
  }

  get count(): number {
    return this.#count;
  }

  /** @throws TooManyFaultsError with the tenth one. */
  add(what: string): void {
    this.#count++;
    this.#tell(what);
    if (this.#count >= MOST_FAULTS) {
      throw new TooManyFaultsError(`${this.#count} faults, the last one: ${what}`);
    }
  }
}
