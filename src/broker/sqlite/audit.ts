/** The record of changes: a row each; with each that comes those go that are too old or too many. */
import {
  AUDIT_KEPT_MS,
  type Audit,
  type AuditLimits,
  type AuditText,
  checkAuditTexts,
  MOST_AUDIT_ENTRIES,
} from "../contract/audit.ts";
import type { Store } from "./file/store.ts";
import { numberOf, textOf } from "./records/rows.ts";

const ADD = "INSERT INTO audit(at, entry) VALUES(?, ?)";
const REMOVE = "DELETE FROM audit WHERE at < ? OR seq <= (SELECT max(seq) FROM audit) - ?";
const LIST = "SELECT seq, at, entry FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?";

export class SqliteAudit implements Audit {
  readonly #store: Store;
  readonly #limits: Required<AuditLimits>;

  constructor(store: Store, limits: AuditLimits = {}) {
    this.#store = store;
    this.#limits = { most: MOST_AUDIT_ENTRIES, keptMs: AUDIT_KEPT_MS, ...limits };
  }

  async add(texts: readonly string[]): Promise<void> {
    checkAuditTexts(texts);
    if (texts.length === 0) return;
    const { most, keptMs } = this.#limits;
    await this.#store.write(texts.length, (tx) => {
      for (const text of texts) tx.sql(ADD).run(tx.now, text);
      tx.sql(REMOVE).run(tx.now - keptMs, most);
    });
  }

  list(before: string | null, max: number): Promise<AuditText[]> {
    const end = before === null ? Number.MAX_SAFE_INTEGER : Number(before);
    return this.#store.read((sql) =>
      sql(LIST)
        .all(end, max)
        .map((row) => ({ id: String(numberOf(row, "seq")), at: numberOf(row, "at"), text: textOf(row, "entry") })),
    );
  }
}
