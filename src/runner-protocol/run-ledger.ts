/**
 * Which attempts are under way on one connection, seen from the executor. Numbers count up from 1, so that an attempt
 * that never was and one that has ended are told apart without a memory of those that ended.
 */

export class RunLedger {
  #next = 1;
  /** Those under way: whether the runner has said that it calls their handler. */
  readonly #runs = new Map<number, { hasBegun: boolean }>();

  /** How many are under way. */
  get size(): number {
    return this.#runs.size;
  }

  /** The number of one more. */
  open(): number {
    const run = this.#next++;
    this.#runs.set(run, { hasBegun: false });
    return run;
  }

  isOpen(run: number): boolean {
    return this.#runs.has(run);
  }

  hasBegun(run: number): boolean {
    return this.#runs.get(run)?.hasBegun === true;
  }

  /** The numbers of those that have begun: whatever else was handed over can be placed elsewhere. */
  begun(): number[] {
    return [...this.#runs].filter(([, { hasBegun }]) => hasBegun).map(([run]) => run);
  }

  /** The runner calls its handler. @returns what is wrong with that; null: nothing. */
  begin(run: number): string | null {
    const known = this.#runs.get(run);
    if (known === undefined) return this.#unknown(run, "begun");
    if (known.hasBegun) return `run ${run} has begun twice`;
    known.hasBegun = true;
    return null;
  }

  /** It has ended, in whatever way. @returns what is wrong with that; null: nothing. */
  end(run: number, kind: "done" | "failed" | "stopped"): string | null {
    return this.#runs.delete(run) ? null : this.#unknown(run, kind);
  }

  #unknown(run: number, kind: string): string {
    return run < this.#next
      ? `${kind} of run ${run}, which has ended`
      : `${kind} of run ${run}, which was never handed over`;
  }
}
