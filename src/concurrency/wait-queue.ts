// A first-come queue of tasks that wait for their turn: at a channel, a limiter, a latch.
// Promises that a wait whose signal aborts leaves the queue in O(1), listener and all, and that one which was given
// its turn keeps it, whatever its signal does afterwards.

/** Shared, as it is the same for every wait. */
const once = { once: true };

/** One wait in a queue. */
export class Waiter<T, D> {
  readonly data: D;
  readonly #queue: WaitQueue<T, D>;
  readonly #signal: AbortSignal | undefined;
  readonly #outcome = Promise.withResolvers<T>();
  previous: Waiter<T, D> | undefined;
  next: Waiter<T, D> | undefined;

  constructor(queue: WaitQueue<T, D>, data: D, signal: AbortSignal | undefined) {
    this.#queue = queue;
    this.data = data;
    this.#signal = signal;
    signal?.addEventListener("abort", this, once);
  }

  get promise(): Promise<T> {
    return this.#outcome.promise;
  }

  /** Gives it its turn. */
  resolve(value: T): void {
    this.#leave();
    this.#outcome.resolve(value);
  }

  reject(error: unknown): void {
    this.#leave();
    this.#outcome.reject(error);
  }

  /** The abort listener. */
  handleEvent(): void {
    this.reject(this.#signal?.reason);
  }

  #leave(): void {
    this.#queue.remove(this);
    this.#signal?.removeEventListener("abort", this);
  }
}

export class WaitQueue<T, D = undefined> {
  #first: Waiter<T, D> | undefined;
  #last: Waiter<T, D> | undefined;
  #size = 0;

  /** Whose turn is next. */
  get first(): Waiter<T, D> | undefined {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  /** Waits at the end of the queue. The signal must have been tested. */
  wait(data: D, signal: AbortSignal | undefined): Promise<T> {
    const waiter = new Waiter(this, data, signal);
    waiter.previous = this.#last;
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    this.#size++;
    return waiter.promise;
  }

  /** Takes a waiter out that stands in this queue; the waiter itself calls it, once. */
  remove(waiter: Waiter<T, D>): void {
    if (waiter.previous === undefined) this.#first = waiter.next;
    else waiter.previous.next = waiter.next;
    if (waiter.next === undefined) this.#last = waiter.previous;
    else waiter.next.previous = waiter.previous;
    waiter.previous = undefined;
    waiter.next = undefined;
    this.#size--;
  }

  /** Fails every wait that `which` picks, in order. */
  rejectAll(error: () => unknown, which: (data: D) => boolean = () => true): void {
    for (let waiter = this.#first; waiter !== undefined; ) {
      const { next } = waiter;
      if (which(waiter.data)) waiter.reject(error());
      waiter = next;
    }
  }
}
