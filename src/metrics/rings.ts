/**
 * Numbers over time, in three rings: 15 minutes by 10 s, an hour by minutes, a week by quarters of an hour. What is
 * added goes into the slot of now of each; a slot that nothing came to is 0. Their size is fixed.
 */

/** The rings: how long a slot is, in ms, and how many they have; the slot that is being filled is one more. */
export const RINGS = [
  { stepMs: 10_000, slots: 91 },
  { stepMs: 60_000, slots: 61 },
  { stepMs: 900_000, slots: 673 },
] as const;

/** What can be asked for: which ring, and how many slots of it. */
export const RANGES = {
  "15m": { ring: 0, slots: 90 },
  "1h": { ring: 1, slots: 60 },
  "24h": { ring: 2, slots: 96 },
  "7d": { ring: 2, slots: 672 },
} as const;

/** The longest between two looks at what waits (history-feed.ts), in ms. */
export const CARRIED_MS = 60_000;

export type HistoryRange = keyof typeof RANGES;

/** When the slots of a range begin, Unix ms; the last one is the one of `now`. */
export function slotTimes(range: HistoryRange, now: number): number[] {
  const { ring, slots } = RANGES[range];
  const { stepMs } = RINGS[ring];
  const last = Math.floor(now / stepMs);
  return Array.from({ length: slots }, (_, at) => (last - slots + 1 + at) * stepMs);
}

export class Rings {
  readonly #width: number;
  readonly #values: readonly Float32Array[];
  /** The number of the slot that was written last, of each ring. */
  readonly #last: number[] = RINGS.map(() => Number.NEGATIVE_INFINITY);

  /** @param width - how many numbers a slot has. */
  constructor(width: number) {
    this.#width = width;
    this.#values = RINGS.map(({ slots }) => new Float32Array(slots * width));
  }

  /** @param at - Unix ms. What is older than a ring is left out of it. */
  add(at: number, numbers: ArrayLike<number>): void {
    this.#into(at, (values, place) => {
      for (let i = 0; i < numbers.length; i++) values[place + i] = (values[place + i] ?? 0) + (numbers[i] ?? 0);
    });
  }

  /**
   * In the place of what is there: for what was looked at in a moment. Slots between two looks have what was seen
   * before them, up to CARRIED_MS.
   */
  set(at: number, numbers: ArrayLike<number>): void {
    this.#into(at, (values, place) => values.set(Array.from(numbers), place), CARRIED_MS);
  }

  /**
   * The slots of a range, the oldest first; the last one is that of `now`.
   *
   * @param carriedMs - so long the last slot that was written stands for those behind it.
   */
  read(range: HistoryRange, now: number, carriedMs = 0): number[][] {
    const { ring } = RANGES[range];
    const { stepMs, slots } = RINGS[ring];
    const [values, last] = [this.#values[ring], this.#last[ring] ?? 0];
    return slotTimes(range, now).map((time) => {
      const asked = Math.round(time / stepMs);
      const slot = asked > last && (asked - last) * stepMs <= carriedMs ? last : asked;
      if (slot > last || slot <= last - slots) return Array<number>(this.#width).fill(0);
      const place = (slot % slots) * this.#width;
      return [...(values?.subarray(place, place + this.#width) ?? [])];
    });
  }

  #into(at: number, write: (values: Float32Array, place: number) => void, carriedMs = 0): void {
    for (const [ring, { stepMs, slots }] of RINGS.entries()) {
      const values = this.#values[ring];
      const slot = Math.floor(at / stepMs);
      const last = this.#last[ring] ?? slot;
      if (values === undefined || slot <= last - slots) continue;
      for (let each = Math.max(last + 1, slot - slots + 1); each <= slot; each++) {
        const place = (each % slots) * this.#width;
        const from = (last % slots) * this.#width;
        if ((each - last) * stepMs <= carriedMs) values.copyWithin(place, from, from + this.#width);
        else values.fill(0, place, place + this.#width);
      }
      this.#last[ring] = Math.max(last, slot);
      write(values, (slot % slots) * this.#width);
    }
  }
}
