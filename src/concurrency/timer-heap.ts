// A binary heap of timers: the earliest first, equals in the order they were added.
// Promises O(log n) add and remove, and that a removed timer is gone at once: moving a deadline leaves nothing behind.
// Leaves it to the clocks to say what time it is.

/** One timer in a heap; owned by the heap, handed back to it for removal. */
export interface TimerEntry {
  readonly at: number;
  readonly callback: () => void;
  readonly keepAlive: boolean;
  /** Counts the timers ever added, so that equals keep their order. */
  readonly order: number;
  /** Where it stands in the heap; -1 once it has left. */
  index: number;
}

/** Timers by time, then by order of arrival. */
export class TimerHeap {
  readonly #entries: TimerEntry[] = [];
  #added = 0;

  /** The next to fire. */
  get first(): TimerEntry | undefined {
    return this.#entries[0];
  }

  /** The `order` of the entry added last. */
  get newest(): number {
    return this.#added;
  }

  get size(): number {
    return this.#entries.length;
  }

  add(at: number, callback: () => void, keepAlive: boolean): TimerEntry {
    const entry = { at, callback, keepAlive, order: ++this.#added, index: this.#entries.length };
    this.#entries.push(entry);
    this.#rise(entry);
    return entry;
  }

  /** Takes an entry out. @returns false when it had left already. */
  remove(entry: TimerEntry): boolean {
    if (entry.index < 0) return false;
    const last = this.#entries.pop();
    if (last !== undefined && last !== entry) {
      this.#place(last, entry.index);
      this.#rise(last);
      this.#sink(last);
    }
    entry.index = -1;
    return true;
  }

  #place(entry: TimerEntry, index: number): void {
    entry.index = index;
    this.#entries[index] = entry;
  }

  #rise(entry: TimerEntry): void {
    while (entry.index > 0) {
      const parent = this.#entries[(entry.index - 1) >> 1];
      if (parent === undefined || isBefore(parent, entry)) return;
      this.#swap(parent, entry);
    }
  }

  #sink(entry: TimerEntry): void {
    for (;;) {
      const left = this.#entries[2 * entry.index + 1];
      const right = this.#entries[2 * entry.index + 2];
      const child = left !== undefined && right !== undefined && isBefore(right, left) ? right : left;
      if (child === undefined || isBefore(entry, child)) return;
      this.#swap(entry, child);
    }
  }

  #swap(upper: TimerEntry, lower: TimerEntry): void {
    const index = upper.index;
    this.#place(upper, lower.index);
    this.#place(lower, index);
  }
}

function isBefore(a: TimerEntry, b: TimerEntry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
