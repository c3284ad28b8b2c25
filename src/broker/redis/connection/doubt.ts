/**
 * Whether entries may have changed hands without their owners' knowledge: a group was destroyed and made anew, or a
 * task that nothing held was queued again by hand. Then every end is asked for until each owner has renewed its leases,
 * or has learned that they are gone.
 */
export class Doubt {
  readonly #leaseMs: number;
  #until = Number.NEGATIVE_INFINITY;

  /** @param leaseMs - by when a lease has been renewed or is over. */
  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  get isOn(): boolean {
    return performance.now() < this.#until;
  }

  /** Begins now, or anew. */
  begin(): void {
    this.#until = performance.now() + this.#leaseMs;
  }
}
