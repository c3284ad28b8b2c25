/**
 * A question that an attempt asks before it goes on: all that ask in one turn share a call to the broker. While the
 * broker is away they wait, so whoever asks must be able to leave.
 */

import { untilAvailable } from "../../broker/availability.ts";
import { Latch } from "../../concurrency/index.ts";

export class BatchedQuestion<T> {
  readonly #call: (items: readonly T[]) => Promise<Iterable<T>>;
  #waiting: { readonly item: T; readonly resolve: (answer: boolean) => void }[] = [];
  #wake = new Latch();
  /** True once nobody answers any more. */
  #closed = false;

  /** @param call - gives those of the items for which the answer is yes. */
  constructor(call: (items: readonly T[]) => Promise<Iterable<T>>) {
    this.#call = call;
  }

  /** "No" once nobody answers any more. */
  ask(item: T): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push({ item, resolve });
      this.#wake.set();
    });
  }

  /** Answers until the signal aborts; those who still wait, or ask later, hear "no". */
  async answer(signal: AbortSignal): Promise<never> {
    try {
      for (;;) {
        if (this.#waiting.length === 0) {
          this.#wake = new Latch();
          await this.#wake.wait(signal);
        }
        const asked = this.#waiting.splice(0);
        let yes = new Set<T>();
        try {
          await untilAvailable(async () => {
            yes = new Set(await this.#call(asked.map(({ item }) => item)));
          }, signal);
        } finally {
          for (const { item, resolve } of asked) resolve(yes.has(item));
        }
      }
    } finally {
      this.#closed = true;
      for (const { resolve } of this.#waiting.splice(0)) resolve(false);
    }
  }
}
