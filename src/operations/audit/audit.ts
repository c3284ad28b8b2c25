/**
 * The record of changes: who has changed what, when, from where, how many, and what became of it. It says which tasks
 * were meant (a queue, a type, a state, ids), and never what stands in them.
 */
import * as v from "valibot";
import type { Broker } from "../../broker/broker.ts";
import { type AuditText, MOST_AUDIT_BYTES } from "../../broker/contract/audit.ts";

export const AUDIT_WAYS = ["http", "page", "command line"] as const;
/** `refused`: whoever asked may not. `stopped`: it ended early, and `count` were changed by then. */
export const AUDIT_OUTCOMES = ["done", "refused", "failed", "stopped"] as const;

const EntryEntries = {
  /** The name of the token; on the command line the user of the system. */
  who: v.string(),
  via: v.picklist(AUDIT_WAYS),
  /** The address of the client; of the command line the name of the machine. */
  from: v.string(),
  /** The operation, as the API calls it. */
  what: v.string(),
  /** Which tasks, queues, types or schedules were meant. */
  of: v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), v.array(v.string())])),
  /** How many were changed; null: that is not known. */
  count: v.nullable(v.number()),
  outcome: v.picklist(AUDIT_OUTCOMES),
};

const EntrySchema = v.object(EntryEntries);
export type AuditEntry = v.InferOutput<typeof EntrySchema>;

/** As it is told. */
export const AuditView = v.object({ id: v.string(), at: v.number(), ...EntryEntries });
export type AuditJson = v.InferOutput<typeof AuditView>;

/** How long one text of an entry is, how many ids it names. */
const MOST_TEXT = 200;
const MOST_IDS = 10;
/** What of a request is told: never a payload, a result or anything that a handler is given. */
const TOLD_KEYS = [
  ...["id", "ids", "name", "type", "queue", "state", "priority", "tag", "tags", "q", "dry_run"],
  ...["cron", "timezone", "overlap", "delay_ms", "at", "slots", "concurrency"],
];

/** What of a request may stand in the record. */
export function toldOf(request: object): AuditEntry["of"] {
  const asked = new Map<string, unknown>(Object.entries(request));
  const told: AuditEntry["of"] = {};
  for (const key of TOLD_KEYS) {
    const value = asked.get(key);
    if (typeof value === "string") told[key] = value.slice(0, MOST_TEXT);
    else if (typeof value === "number" || typeof value === "boolean") told[key] = value;
    else if (Array.isArray(value)) {
      const texts = value.filter((each) => typeof each === "string").map((each) => each.slice(0, MOST_TEXT));
      told[key] = texts.slice(0, MOST_IDS);
      if (texts.length > MOST_IDS) told[`${key}_count`] = texts.length;
    }
  }
  return told;
}

/** As a broker keeps it: what is too long is left out rather than the entry. */
export function formatEntry(entry: AuditEntry): string {
  const cut = { ...entry, who: entry.who.slice(0, MOST_TEXT), from: entry.from.slice(0, MOST_TEXT) };
  const text = JSON.stringify(cut);
  return Buffer.byteLength(text) <= MOST_AUDIT_BYTES ? text : JSON.stringify({ ...cut, of: { left_out: true } });
}

export interface AuditQuery {
  /** Unix ms on the broker's clock. */
  readonly since?: number | undefined;
  readonly who?: string | undefined;
  readonly what?: string | undefined;
  readonly limit?: number | undefined;
  /** The id behind which the page begins. */
  readonly cursor?: string | undefined;
}

/** How many entries a page has where nobody says, and how many are read at once. */
export const DEFAULT_AUDIT_PAGE = 100;
export const MOST_AUDIT_PAGE = 1_000;
const READ_AT_ONCE = 1_000;

/** A page, the newest first. There are 10 000 at the most, so that all of them may be looked through. */
export async function auditPage(
  broker: Pick<Broker, "audit">,
  { since = 0, who, what, limit = DEFAULT_AUDIT_PAGE, cursor }: AuditQuery,
): Promise<{ readonly entries: readonly AuditJson[]; readonly cursor: string | null }> {
  const entries: AuditJson[] = [];
  for (let before: string | null = cursor ?? null; ; ) {
    const some: readonly AuditText[] = await broker.audit.list(before, READ_AT_ONCE);
    for (const text of some) {
      if (text.at < since) return { entries, cursor: null };
      if (entries.length === limit) return { entries, cursor: entries.at(-1)?.id ?? null };
      const entry = viewOf(text);
      const isMeant = entry !== null && (who === undefined || entry.who === who) && (what ?? entry.what) === entry.what;
      if (isMeant) entries.push(entry);
    }
    before = some.at(-1)?.id ?? null;
    if (before === null || some.length < READ_AT_ONCE) return { entries, cursor: null };
  }
}

/** Null where it cannot be read: it is of another version. */
function viewOf({ id, at, text }: AuditText): AuditJson | null {
  try {
    const read = v.safeParse(EntrySchema, JSON.parse(text));
    return read.success ? { id, at, ...read.output } : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
