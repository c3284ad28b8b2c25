/**
 * One write transaction as the broker's parts see it: statements, and the books that are kept beside the tasks.
 * Whoever moves a task tells `moved`; the sums are written once, just before the commit.
 */
import type { SqlStatement } from "../../../runtime/index.ts";
import { mayMove, type TaskState } from "../../../task/state.ts";
import { type Ledger, sweepIds } from "../records/ids.ts";
import type { DatabaseFile } from "./database-file.ts";
import { STATE } from "./schema.ts";

const READ_LEDGER = "SELECT next, stale, swept_to FROM ledger";
const WRITE_LEDGER = "UPDATE ledger SET next = ?, stale = ?, swept_to = ?";
const ADD_COUNT = `INSERT INTO counts(queue, state, n) VALUES(?, ?, ?)
  ON CONFLICT(queue, state) DO UPDATE SET n = n + excluded.n`;

export class Transaction {
  /** When it began, Unix ms. */
  readonly now = Date.now();
  readonly #file: DatabaseFile;
  readonly #deltas = new Map<string, number[]>();
  #ledger: Ledger | null = null;
  #removed = 0;

  constructor(file: DatabaseFile) {
    this.#file = file;
  }

  sql(text: string): SqlStatement {
    return this.#file.sql(text);
  }

  /**
   * `n` tasks of a queue went from one state to another; null stands for "not there".
   *
   * @throws Error for a move that the state table does not know: the transaction is then undone.
   */
  moved(queue: string, from: TaskState | null, to: TaskState | null, n = 1): void {
    if (from !== null && to !== null && !mayMove(from, to)) throw new Error(`no task may go from ${from} to ${to}`);
    let deltas = this.#deltas.get(queue);
    if (deltas === undefined) {
      deltas = [0, 0, 0, 0, 0, 0, 0];
      this.#deltas.set(queue, deltas);
    }
    if (from !== null) deltas[STATE[from]] = (deltas[STATE[from]] ?? 0) - n;
    if (to === null) this.#removed += n;
    else deltas[STATE[to]] = (deltas[STATE[to]] ?? 0) + n;
  }

  /** A number that no task of this database ever had. */
  nextNumber(): number {
    const ledger = this.ledger();
    const { next } = ledger;
    ledger.next += 1;
    return next;
  }

  ledger(): Ledger {
    if (this.#ledger === null) {
      const row = this.sql(READ_LEDGER).get();
      const sweptTo = row?.swept_to;
      this.#ledger = {
        next: Number(row?.next),
        stale: Number(row?.stale),
        sweptTo: typeof sweptTo === "string" ? sweptTo : null,
      };
    }
    return this.#ledger;
  }

  /** Writes the books. To be called once, before the commit. */
  finish(): void {
    for (const [queue, deltas] of this.#deltas) {
      for (const [state, n] of deltas.entries()) if (n !== 0) this.sql(ADD_COUNT).run(queue, state, n);
    }
    if (this.#removed > 0) {
      this.ledger().stale += this.#removed;
      sweepIds(this);
    }
    const ledger = this.#ledger;
    if (ledger !== null) this.sql(WRITE_LEDGER).run(ledger.next, ledger.stale, ledger.sweptTo);
  }
}
