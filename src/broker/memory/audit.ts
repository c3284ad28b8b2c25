/** The record of changes, as long as the store lives. */
import {
  AUDIT_KEPT_MS,
  type Audit,
  type AuditLimits,
  type AuditText,
  checkAuditTexts,
  MOST_AUDIT_ENTRIES,
} from "../contract/audit.ts";
import type { MemoryStore } from "./store/store.ts";

export class MemoryAudit implements Audit {
  readonly #store: () => MemoryStore;
  readonly #limits: Required<AuditLimits>;

  /** @param store - throws while the broker is not open. */
  constructor(store: () => MemoryStore, limits: AuditLimits = {}) {
    this.#store = store;
    this.#limits = { most: MOST_AUDIT_ENTRIES, keptMs: AUDIT_KEPT_MS, ...limits };
  }

  async add(texts: readonly string[]): Promise<void> {
    checkAuditTexts(texts);
    const store = this.#store();
    const added = texts.map((text) => ({ id: String(store.next()), at: Math.round(store.now()), text }));
    const { most, keptMs } = this.#limits;
    store.audit = [...store.audit, ...added].filter(({ at }) => at >= store.now() - keptMs).slice(-most);
  }

  async list(before: string | null, max: number): Promise<AuditText[]> {
    const end = before === null ? Number.POSITIVE_INFINITY : Number(before);
    return this.#store()
      .audit.filter(({ id }) => Number(id) < end)
      .toReversed()
      .slice(0, max);
  }
}
