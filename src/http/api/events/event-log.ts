/**
 * The events of the last 30 s, for whoever was cut off and asks for what came since. Bounded in bytes, too: then the
 * oldest go earlier.
 */

/** How long an event is kept, in ms, and how many bytes of them. */
const KEPT_MS = 30_000;
const MOST_BYTES = 4_000_000;

export interface LoggedEvent {
  readonly number: number;
  readonly topic: string;
  readonly text: string;
  /** On the monotonic clock. */
  readonly at: number;
}

export class EventLog {
  readonly #events: LoggedEvent[] = [];
  #bytes = 0;
  /** All events behind this number are kept. */
  #from = 0;

  add(event: LoggedEvent): void {
    this.#events.push(event);
    this.#bytes += event.text.length;
    this.prune(event.at);
  }

  /** Those behind a number; null where some of them are gone. */
  since(number: number, now: number): readonly LoggedEvent[] | null {
    this.prune(now);
    return number < this.#from ? null : this.#events.filter((event) => event.number > number);
  }

  prune(now: number): void {
    for (let first = this.#events[0]; first !== undefined; first = this.#events[0]) {
      if (now - first.at <= KEPT_MS && this.#bytes <= MOST_BYTES) return;
      this.#events.shift();
      this.#bytes -= first.text.length;
      this.#from = first.number;
    }
  }
}
