/** For how long this process was kept from running, as a busy machine does it: such time is not the time of others. */

const TICK_MS = 20;

export class HeldUp {
  #sumMs = 0;
  #tickedAt = performance.now();
  readonly #timer = setInterval(() => {
    this.#sumMs = this.ms;
    this.#tickedAt = performance.now();
  }, TICK_MS);

  /** So far, in ms. */
  get ms(): number {
    return this.#sumMs + Math.max(0, performance.now() - this.#tickedAt - TICK_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
