/**
 * What is known under whole numbers that count up and go again, as the runs of a connection. A Map under such a
 * turnover makes a new table every hundred runs, and each one that it leaves behind keeps what it held until the next
 * full collection: all that was known of thousands of tasks. This one writes over what it has.
 */

const LEAST_PLACES = 64;

/** @typeParam V - anything but undefined. */
export class NumberTable<V> {
  /** By number, modulo the places, or in one of those behind; 0: nothing is there. */
  #numbers = new Float64Array(LEAST_PLACES);
  #values = new Array<V | undefined>(LEAST_PLACES).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(number: number): V | undefined {
    const at = this.#find(number);
    return at === -1 ? undefined : this.#values[at];
  }

  /** @param number - from 1; one that is not known here yet. */
  add(number: number, value: V): void {
    if (this.#size * 2 >= this.#numbers.length) this.#grow();
    this.#put(number, value);
    this.#size++;
  }

  /** @returns what was known under it; undefined: nothing was. */
  remove(number: number): V | undefined {
    let hole = this.#find(number);
    if (hole === -1) return undefined;
    const [numbers, values, last] = [this.#numbers, this.#values, this.#numbers.length - 1];
    const removed = values[hole];
    // What was put further behind, since its place was taken, moves up: else it would not be found any more.
    for (let at = (hole + 1) & last; numbers[at] !== 0; at = (at + 1) & last) {
      const moved = numbers[at] ?? 0;
      if (((at - moved) & last) < ((at - hole) & last)) continue;
      numbers[hole] = moved;
      values[hole] = values[at];
      hole = at;
    }
    numbers[hole] = 0;
    values[hole] = undefined;
    this.#size--;
    return removed;
  }

  /** All that is known, in the order of the numbers. */
  entries(): (readonly [number: number, value: V])[] {
    const found: (readonly [number, V])[] = [];
    for (const [at, value] of this.#values.entries()) {
      if (value !== undefined) found.push([this.#numbers[at] ?? 0, value]);
    }
    return found.sort(([one], [other]) => one - other);
  }

  /** @returns its place; -1: it has none. */
  #find(number: number): number {
    const [numbers, last] = [this.#numbers, this.#numbers.length - 1];
    for (let at = number & last; ; at = (at + 1) & last) {
      const there = numbers[at];
      if (there === 0) return -1;
      if (there === number) return at;
    }
  }

  #put(number: number, value: V): void {
    const [numbers, last] = [this.#numbers, this.#numbers.length - 1];
    let at = number & last;
    while (numbers[at] !== 0) at = (at + 1) & last;
    numbers[at] = number;
    this.#values[at] = value;
  }

  #grow(): void {
    const [numbers, values] = [this.#numbers, this.#values];
    this.#numbers = new Float64Array(numbers.length * 2);
    this.#values = new Array<V | undefined>(numbers.length * 2).fill(undefined);
    for (const [at, value] of values.entries()) if (value !== undefined) this.#put(numbers[at] ?? 0, value);
  }
}
