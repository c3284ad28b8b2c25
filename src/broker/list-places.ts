/**
 * At most two lists are read at once in a process, whoever asks for them: each may hold a page of some MB. Others wait
 * in line, first come first served. The line is bounded; what does not fit in it is refused at once.
 */
import { CapacityLimiter, openRoot, type Permit } from "../concurrency/index.ts";
import { CallRefusedError } from "./broker.ts";

const AT_ONCE = 2;
const MOST_WAITING = 100;

/** So many lists wait already; asking again later helps. */
export class TooManyListsError extends CallRefusedError {
  constructor(waiting: number) {
    super(`${waiting} lists wait already, which is the most that may: ask again in a second`);
  }
}

export class ListPlaces {
  readonly #places = new CapacityLimiter(AT_ONCE);
  readonly #mostWaiting: number;
  #waiting = 0;

  constructor(mostWaiting = MOST_WAITING) {
    this.#mostWaiting = mostWaiting;
  }

  /** @throws (rejects) TooManyListsError; what `list` throws. */
  async take<T>(list: () => Promise<T>): Promise<T> {
    const permit = this.#places.availableTokens > 0 ? this.#places.acquireNowait() : await this.#inLine();
    try {
      return await list();
    } finally {
      permit.release();
    }
  }

  async #inLine(): Promise<Permit> {
    if (this.#waiting >= this.#mostWaiting) throw new TooManyListsError(this.#waiting);
    this.#waiting++;
    try {
      return await this.#places.acquire(openRoot().signal);
    } finally {
      this.#waiting--;
    }
  }
}

/** Those of this process, whatever brokers it has. */
export const listPlaces = new ListPlaces();
