/** Wakes everybody who waits for the next ring. */
import { Latch } from "../../../concurrency/index.ts";

export class Bell {
  #next = new Latch();

  ring(): void {
    const rung = this.#next;
    this.#next = new Latch();
    rung.set();
  }

  /** The next ring. Take it before looking at what the ring tells of: then no ring is missed in between. */
  next(): Latch {
    return this.#next;
  }
}
