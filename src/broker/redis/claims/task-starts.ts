/**
 * When a running task began. No write says so, a claim costs none: the beats of its executor do, a second later at the
 * most. Until then the time since its entry was delivered stands for it, which is right to that second: an entry is
 * delivered anew only by the renewals of its lease, and what lives that long stands in a beat.
 */
import type { FleetMember } from "../../broker.ts";

/** How long the beat of an executor is believed, in ms. */
const CACHE_MS = 500;
/** How far two estimates of the broker's clock may be apart, in ms. */
const CLOCK_TREMBLES_MS = 1_000;

/** So many tasks without a beat are remembered. */
const MOST_ESTIMATES = 1_000;

/** What is known of a running task by its pending entry. */
export interface Holder {
  readonly entry: string;
  readonly consumer: string;
  readonly idleMs: number;
  readonly deliveries: number;
}

export class TaskStarts {
  readonly #lastBeat: (executor: string) => Promise<FleetMember>;
  readonly #now: () => number;
  #beats = new Map<string, FleetMember["beat"]>();
  readonly #estimates = new Map<string, number>();
  #beatsSince = Number.NEGATIVE_INFINITY;

  constructor(lastBeat: (executor: string) => Promise<FleetMember>, now: () => number) {
    this.#lastBeat = lastBeat;
    this.#now = now;
  }

  /**
   * @param told - what the record says of it, where that is of this attempt; null: nothing.
   * @returns Unix ms on the broker's clock.
   */
  async of(id: string, { entry, consumer, idleMs, deliveries }: Holder, told: number | null): Promise<number> {
    const started = (await this.#beatOf(consumer))?.started;
    const at = started !== undefined && Object.hasOwn(started, id) ? started[id] : null;
    const queuedAt = Number(entry.slice(0, entry.indexOf("-")));
    // A beat may still tell of an attempt before: that one began before this entry was there.
    if (typeof at === "number" && at >= queuedAt - CLOCK_TREMBLES_MS) return at;
    return told ?? this.#estimate(`${entry} ${deliveries} ${consumer}`, Math.round(this.#now() - idleMs));
  }

  /** The first that was worked out: a renewal makes it later, and two looks differ by a millisecond. */
  #estimate(delivered: string, at: number): number {
    const known = this.#estimates.get(delivered);
    if (known !== undefined) return known;
    if (this.#estimates.size >= MOST_ESTIMATES) this.#estimates.clear();
    this.#estimates.set(delivered, at);
    return at;
  }

  async #beatOf(executor: string): Promise<FleetMember["beat"]> {
    if (performance.now() - this.#beatsSince > CACHE_MS) {
      this.#beats = new Map();
      this.#beatsSince = performance.now();
    }
    const known = this.#beats.get(executor);
    if (known !== undefined) return known;
    const { beat } = await this.#lastBeat(executor);
    this.#beats.set(executor, beat);
    return beat;
  }
}
