/**
 * How long the event loop of this process was held up: by how much a short sleep was too long. The worst of the last 15
 * to 30 s is told, so that nobody who looks now and again misses it.
 */
import { sleep } from "../../concurrency/index.ts";

/** How long it sleeps, and how long the worst of a window is kept, in ms. */
const SLEEP_MS = 250;
const WINDOW_MS = 15_000;

export class LoopLag {
  #worst = 0;
  #worstBefore = 0;
  #windowBegan = performance.now();

  /** In ms. */
  get worstMs(): number {
    return Math.max(this.#worst, this.#worstBefore);
  }

  /** Measures until the signal aborts. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      const begunAt = performance.now();
      await sleep(SLEEP_MS, signal);
      this.note(begunAt, performance.now());
    }
  }

  /** Takes one sleep: when it began and ended, on the monotonic clock. */
  note(begunAt: number, endedAt: number): void {
    if (endedAt - this.#windowBegan > WINDOW_MS) {
      this.#worstBefore = this.#worst;
      this.#worst = 0;
      this.#windowBegan = endedAt;
    }
    this.#worst = Math.max(this.#worst, endedAt - begunAt - SLEEP_MS);
  }
}
