/**
 * Which inline attempts may begin beside which. Their code runs in the executor's own process, so that what kills one
 * kills all that have begun. A suspect therefore begins only where at most as many others run as may be beside it, and
 * while it runs nothing begins beyond them. What may not begin goes back for other executors, and is not held: an
 * executor that dies over it would count against it. One suspect alone may wait here, for those that run to end; while
 * it waits nothing else begins, and while a suspect runs none waits.
 */
import { Latch, sleep } from "../../concurrency/index.ts";

const UNBOUNDED = Number.POSITIVE_INFINITY;
/** After one was turned away nothing is claimed until a place is free, or for so long, in ms: it would come again. */
const CLOSED_MS = 1_000;

/** `begun`: it has, and must `leave`; `must wait`: it may `wait` here; `turned away`: it may not begin here. */
export type Entrance = "begun" | "must wait" | "turned away";

export class InlineCompany {
  /** How many have begun and not ended. */
  #begun = 0;
  /** How many may run beside each suspect among them. */
  #suspects: number[] = [];
  /** How many may have begun, for the sake of those suspects. */
  #most = UNBOUNDED;
  #waiting: { readonly company: number; readonly admitted: Latch } | null = null;
  /** Set while nothing is claimed, since what comes may not begin. */
  #closed = new Latch();
  readonly #changed: () => void;

  /** @param changed - told when more may begin than before. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** How many may have begun just now, those that have included; Infinity where no suspect is here. */
  get most(): number {
    return this.#waiting === null && !this.#closed.isSet ? this.#most : this.#begun;
  }

  /** Has claims look again, now and then, whether what was turned away has gone, until the signal aborts. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#closed.wait(signal);
      await sleep(CLOSED_MS, signal);
      this.#open();
    }
  }

  /** One wants to begin. @param company - how many may run beside it; null: it is no suspect. */
  enter(company: number | null): Entrance {
    if (this.#waiting === null && this.#begun < this.#most) {
      if (company === null || this.#begun <= company) {
        this.#begin(company);
        return "begun";
      }
      if (this.#suspects.length === 0) return "must wait";
    }
    this.#closed.set();
    return "turned away";
  }

  /**
   * For a suspect that must wait: it has begun when this resolves.
   *
   * @throws (rejects) the signal's reason: it has not begun.
   */
  async wait(company: number, signal: AbortSignal): Promise<void> {
    const waiting = { company, admitted: new Latch() };
    this.#waiting = waiting;
    try {
      await waiting.admitted.wait(signal);
    } catch (error) {
      // It may have been admitted in the turn of its cancel.
      if (waiting.admitted.isSet) this.leave(company);
      else this.#waiting = null;
      this.#changed();
      throw error;
    }
  }

  /** One that had begun has ended. @param company - as it entered. */
  leave(company: number | null): void {
    this.#begun--;
    if (company !== null) {
      this.#suspects.splice(this.#suspects.indexOf(company), 1);
      this.#most = Math.min(UNBOUNDED, ...this.#suspects.map((each) => each + 1));
    } else if (this.#waiting === null && !this.#closed.isSet) return;
    const waiting = this.#waiting;
    if (waiting !== null && this.#begun <= waiting.company) {
      this.#waiting = null;
      this.#begin(waiting.company);
      waiting.admitted.set();
    }
    this.#open();
  }

  #open(): void {
    if (this.#closed.isSet) this.#closed = new Latch();
    this.#changed();
  }

  #begin(company: number | null): void {
    this.#begun++;
    if (company === null) return;
    this.#suspects.push(company);
    this.#most = Math.min(this.#most, company + 1);
  }
}
