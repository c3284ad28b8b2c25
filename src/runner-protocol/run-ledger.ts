/**
 * Which attempts are under way on one connection, seen from the executor. Numbers count up from 1, so that an attempt
 * that never was and one that has ended are told apart without a memory of those that ended.
 */
import { NumberTable } from "./number-table.ts";

interface Entry<Run> {
  readonly run: Run;
  hasBegun: boolean;
}

/** @typeParam Run - what is known of an attempt. */
export class RunLedger<Run = void> {
  #next = 1;
  /** Those under way: whether the runner has said that it calls their handler. */
  readonly #runs = new NumberTable<Entry<Run>>();

  /** How many are under way. */
  get size(): number {
    return this.#runs.size;
  }

  /** The number of one more. */
  open(run: Run): number {
    const number = this.#next++;
    this.#runs.add(number, { run, hasBegun: false });
    return number;
  }

  /** What was opened under this number; undefined: it is not under way. */
  get(number: number): Run | undefined {
    return this.#runs.get(number)?.run;
  }

  isOpen(number: number): boolean {
    return this.#runs.get(number) !== undefined;
  }

  hasBegun(number: number): boolean {
    return this.#runs.get(number)?.hasBegun === true;
  }

  /** All that are under way, in the order of their numbers. */
  runs(): Run[] {
    return this.#runs.entries().map(([, { run }]) => run);
  }

  /** The numbers of those that have begun: whatever else was handed over can be placed elsewhere. */
  begun(): number[] {
    return this.#runs.entries().flatMap(([number, { hasBegun }]) => (hasBegun ? [number] : []));
  }

  /** The runner calls its handler. @returns what is wrong with that; null: nothing. */
  begin(number: number): string | null {
    const known = this.#runs.get(number);
    if (known === undefined) return this.#unknown(number, "begun");
    if (known.hasBegun) return `run ${number} has begun twice`;
    known.hasBegun = true;
    return null;
  }

  /** It has ended, in whatever way. @returns what is wrong with that; null: nothing. */
  end(number: number, kind: "done" | "failed" | "stopped"): string | null {
    return this.#runs.remove(number) === undefined ? this.#unknown(number, kind) : null;
  }

  #unknown(run: number, kind: string): string {
    return run < this.#next
      ? `${kind} of run ${run}, which has ended`
      : `${kind} of run ${run}, which was never handed over`;
  }
}
