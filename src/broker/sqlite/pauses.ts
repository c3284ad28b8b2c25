/**
 * Pauses, for the whole fleet and over restarts. Claims look at them in their own transaction: what is paused is not
 * taken from that commit on. Tasks of a paused type that a claim meets are parked, so that each is met once; resuming
 * queues them again in their old places, what is left over by and by with each promote.
 */
import type { PauseTarget } from "../contract/admin.ts";
import { PARKED, STATE } from "./file/schema.ts";
import type { Store } from "./file/store.ts";
import type { Transaction } from "./file/transaction.ts";
import { type Row, textOf } from "./records/rows.ts";

/** How many parked tasks one transaction queues again. */
const CHUNK = 1000;
/** How many such transactions one call makes. */
const CALLS = 20;

const PAUSED = "SELECT kind, name FROM paused WHERE resuming = 0 ORDER BY kind, name";
const RESUMING = "SELECT name FROM paused WHERE resuming = 1";
const PAUSE = "INSERT OR REPLACE INTO paused(kind, name, resuming) VALUES(?, ?, 0)";
const RESUME_QUEUE = "DELETE FROM paused WHERE kind = 'queue' AND name = ?";
const RESUME_TYPE = "UPDATE paused SET resuming = 1 WHERE kind = 'type' AND name = ?";
const IS_RESUMING = "SELECT 1 FROM paused WHERE kind = 'type' AND name = ? AND resuming = 1";
const FORGET_TYPE = "DELETE FROM paused WHERE kind = 'type' AND name = ?";
const UNPARK = `UPDATE tasks SET state = ${STATE.queued} WHERE seq IN
  (SELECT seq FROM tasks WHERE state = ${PARKED} AND type = ? ORDER BY seq LIMIT ${CHUNK})`;

/**
 * SQL that gives the queue of a parameter, or NULL while that is paused. Compared with a column it is worked out once;
 * a condition of its own would be asked of every row of a paused queue.
 */
export function unlessPaused(parameter: string): string {
  return `(SELECT ${parameter} WHERE NOT EXISTS (SELECT 1 FROM paused WHERE kind = 'queue' AND name = ${parameter}))`;
}

/** SQL that is true where the column `queue` names a paused queue. */
export const QUEUE_IS_PAUSED = "queue IN (SELECT name FROM paused WHERE kind = 'queue')";
/** SQL that is true where the column `type` names a paused type. */
export const TYPE_IS_PAUSED = "type IN (SELECT name FROM paused WHERE kind = 'type' AND resuming = 0)";

export class SqlitePauses {
  readonly #store: Store;
  #types: ReadonlySet<string> = new Set();

  constructor(store: Store) {
    this.#store = store;
  }

  /** As of the last look. */
  isTypePaused(type: string): boolean {
    return this.#types.has(type);
  }

  /** Takes in what is paused; tells whether any type is. */
  learn(sql: Transaction["sql"]): boolean {
    const targets = sql(PAUSED).all().map(targetOf);
    if (targets.length > 0 || this.#types.size > 0) {
      this.#types = new Set(targets.filter(({ kind }) => kind === "type").map(({ name }) => name));
    }
    return this.#types.size > 0;
  }

  pause({ kind, name }: PauseTarget): Promise<void> {
    return this.#store.write(1, (tx) => {
      tx.sql(PAUSE).run(kind, name);
      this.learn((text) => tx.sql(text));
    });
  }

  async resume({ kind, name }: PauseTarget): Promise<void> {
    await this.#store.write(1, (tx) => {
      tx.sql(kind === "queue" ? RESUME_QUEUE : RESUME_TYPE).run(name);
      this.learn((text) => tx.sql(text));
    });
    if (kind === "type") await this.#unpark(name);
  }

  list(): Promise<PauseTarget[]> {
    return this.#store.read((sql) => sql(PAUSED).all().map(targetOf));
  }

  /** Goes on with resumes that had too much to do, or whose process died. Tells how many tasks were queued. */
  async goOnResuming(): Promise<number> {
    const names = await this.#store.read((sql) =>
      sql(RESUMING)
        .all()
        .map((row) => textOf(row, "name")),
    );
    let unparked = 0;
    for (const name of names) unparked += await this.#unpark(name);
    return unparked;
  }

  async #unpark(type: string): Promise<number> {
    let unparked = 0;
    for (let call = 0; call < CALLS; call += 1) {
      const n = await this.#store.write(CHUNK, (tx) => unparkSome(tx, type));
      unparked += n;
      if (n < CHUNK) break;
    }
    return unparked;
  }
}

/** Asks first, since somebody may have paused the type again. */
function unparkSome(tx: Transaction, type: string): number {
  if (tx.sql(IS_RESUMING).get(type) === undefined) return 0;
  const unparked = Number(tx.sql(UNPARK).run(type).changes);
  if (unparked < CHUNK) tx.sql(FORGET_TYPE).run(type);
  return unparked;
}

function targetOf(row: Row): PauseTarget {
  return { kind: textOf(row, "kind") === "queue" ? "queue" : "type", name: textOf(row, "name") };
}
