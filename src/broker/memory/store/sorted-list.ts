/**
 * Things in the order of two numbers, found by halves. What a thing's numbers are must not change while it is in a
 * list; no two in one list have the same.
 */

/** The first number counts first. */
export type Place = readonly [rank: number, number: number];

/** Before everything that a list can hold. */
export const FIRST_PLACE: Place = [Number.MIN_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

export class SortedList<T> {
  readonly #items: T[] = [];
  readonly #placeOf: (item: T) => Place;

  constructor(placeOf: (item: T) => Place) {
    this.#placeOf = placeOf;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  at(index: number): T | undefined {
    return this.#items[index];
  }

  placeOf(item: T): Place {
    return this.#placeOf(item);
  }

  add(item: T): void {
    this.#items.splice(this.#indexBehind(this.#placeOf(item)), 0, item);
  }

  /** Nothing happens where it is not there. */
  remove(item: T): void {
    const index = this.#indexBehind(this.#placeOf(item)) - 1;
    if (this.#items[index] === item) this.#items.splice(index, 1);
  }

  /** Those that come behind a place, in order; the list must not change meanwhile. */
  *behind(place: Place): Generator<T, void> {
    for (let index = this.#indexBehind(place); index < this.#items.length; index += 1) {
      const item = this.#items[index];
      if (item !== undefined) yield item;
    }
  }

  /** Up to `max` from the front whose first number is no more than `rank`. */
  upTo(rank: number, max: number): T[] {
    const end = this.#indexBehind([rank, Number.MAX_SAFE_INTEGER]);
    return this.#items.slice(0, Math.min(end, max));
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#items.values();
  }

  /** Where the first item stands that is behind a place. */
  #indexBehind([rank, number]: Place): number {
    let [from, to] = [0, this.#items.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const item = this.#items[middle];
      if (item === undefined) break;
      const [otherRank, otherNumber] = this.#placeOf(item);
      if (otherRank < rank || (otherRank === rank && otherNumber <= number)) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
