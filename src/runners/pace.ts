/**
 * How quick the runs of one runner are. From that follows how many more are handed ahead to it: few where nothing is
 * known, more with each quick run, since each one that ends would else wait for a round trip of ours, and few again
 * after one that was not quick. What takes long holds up none, so that nothing is handed ahead to it.
 */

/** In one in which nothing began or ended for so long, in ms, nothing waits that could begin elsewhere. */
const SLOW_MS = 50;
/** A run that took less is quick, in ms: what waits behind as many as are handed ahead waits no longer than that. */
const QUICK_MS = 5;
/** So many are handed ahead at the most. */
export const MOST_AHEAD = 8;

export class Pace {
  /** When a run last began or ended, on the clock of performance.now(). */
  #movedAt = 0;
  /** How many quick ones there were in a row. */
  #quick = 0;
  /** It gets more until it is full: a few at once, in one write. */
  #isFilling = true;

  began(at: number): void {
    this.#movedAt = at;
  }

  /** @param begunAt - of the run that has ended at `at`. */
  ended(at: number, begunAt: number): void {
    this.#movedAt = at;
    this.#quick = at - begunAt < QUICK_MS ? this.#quick + 1 : 0;
  }

  /** What has begun takes long. */
  get isSlow(): boolean {
    return performance.now() - this.#movedAt > SLOW_MS;
  }

  /** How many may be handed ahead. @param least - where nothing is known; 0: none, ever. */
  ahead(least: number): number {
    return least === 0 ? 0 : Math.max(least, Math.min(MOST_AHEAD, least + this.#quick));
  }

  /** Whether it is time to hand more ahead to one that has so many waiting. @param most - of these. */
  fills(waiting: number, most: number): boolean {
    if (waiting >= most) this.#isFilling = false;
    else if (waiting <= most / 2) this.#isFilling = true;
    return this.#isFilling;
  }
}
