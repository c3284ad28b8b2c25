/**
 * The contract's part for the record of changes: who has changed what, kept as one list for the whole broker, of which
 * the oldest go. What stands in an entry is src/operations/audit; a broker keeps it as text.
 */

/** How many entries there are, how long one may be, in bytes, and how long it is kept, in ms: 30 days. */
export const MOST_AUDIT_ENTRIES = 10_000;
export const MOST_AUDIT_BYTES = 2_000;
export const AUDIT_KEPT_MS = 30 * 24 * 3_600_000;

export interface AuditText {
  /** The broker's own name for it. */
  readonly id: string;
  /** Unix ms on the broker's clock. */
  readonly at: number;
  readonly text: string;
}

/** What holds where nobody says other; tests do. */
export interface AuditLimits {
  readonly most?: number;
  readonly keptMs?: number;
}

export interface Audit {
  /** Keeps entries, in order. @throws (rejects) RangeError for one that is longer than `MOST_AUDIT_BYTES`. */
  add(texts: readonly string[]): Promise<void>;
  /** The newest first, of those that came before one. @param before - an id; null: all. @param max - 1 to 1 000. */
  list(before: string | null, max: number): Promise<AuditText[]>;
}

/** @throws RangeError. */
export function checkAuditTexts(texts: readonly string[]): void {
  const long = texts.find((text) => Buffer.byteLength(text) > MOST_AUDIT_BYTES);
  if (long !== undefined)
    throw new RangeError(`an entry has ${Buffer.byteLength(long)} bytes, at most ${MOST_AUDIT_BYTES}`);
}
