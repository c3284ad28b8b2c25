/** Records what was changed over HTTP: who asked, what was meant, how many it were, and what became of it. */
import type { Context, MiddlewareHandler } from "hono";
import { type AuditEntry, toldOf } from "../../../operations/audit/audit.ts";
import type { AuditLog } from "../../../operations/audit/audit-log.ts";
import { hasEnded, type TaskState } from "../../../task/state.ts";
import type { Access, PeerBindings } from "./access.ts";

/** What comes in masses. */
const GATHERED: ReadonlySet<string> = new Set(["enqueueTasks"]);

/** Under which name a route leaves what was asked, once it was checked. */
export const ASKED = "asked";

/** Around a route that changes something, and around its guard. */
export function audited(
  operationId: string,
  access: Access,
  log: AuditLog,
): MiddlewareHandler<{ Bindings: PeerBindings }> {
  return async (context, next) => {
    await next();
    const { status } = context.res;
    const caller = access.caller(context);
    const outcome = status < 400 ? "done" : status === 403 ? "refused" : status >= 500 ? "failed" : null;
    // What was never asked rightly, or found nothing, has changed nothing. Whoever is nobody is told in no record.
    if (caller === null || outcome === null) return;
    const asked = askedOf(context);
    // It was counted, and nothing else.
    if ("dry_run" in asked && asked.dry_run === true) return;
    const isRefused = outcome === "refused";
    if (isRefused && !access.isGuarded) return;
    const entry: AuditEntry = {
      who: caller.name,
      // Browsers alone say so.
      via: context.req.header("sec-fetch-site") === undefined ? "http" : "page",
      from: context.env?.peer ?? "",
      what: operationId,
      of: isRefused ? {} : toldOf(asked),
      count: outcome === "done" ? countIn(await answerOf(context)) : isRefused ? 1 : null,
      outcome,
    };
    if (isRefused || GATHERED.has(operationId)) log.gather(withoutIds(entry));
    else await log.keep(entry);
  };
}

/** What a route has left. */
function askedOf(context: Context): object {
  return context.get(ASKED) ?? {};
}

/** Else no two of them were alike. */
function withoutIds(entry: AuditEntry): AuditEntry {
  const { id: _id, ids: _ids, ids_count: _count, ...of } = entry.of;
  return { ...entry, of };
}

async function answerOf(context: Context): Promise<Readonly<Record<string, unknown>>> {
  if (!context.res.headers.get("content-type")?.startsWith("application/json")) return {};
  const answer: unknown = await context.res.clone().json();
  return typeof answer === "object" && answer !== null ? { ...answer } : {};
}

/** How many were changed, by what was answered. */
function countIn(answer: Readonly<Record<string, unknown>>): number {
  for (const key of ["cancelled", "retried", "purged", "created", "promoted", "edited"]) {
    const value = answer[key];
    if (typeof value === "number") return value;
    if (typeof value === "boolean") return value ? 1 : 0;
  }
  const { tasks } = answer;
  return Array.isArray(tasks) ? tasks.filter(hasChanged).length : 1;
}

function hasChanged(receipt: {
  readonly state?: TaskState | null;
  readonly retried?: boolean;
  readonly promoted?: boolean;
}) {
  const told = receipt.retried ?? receipt.promoted;
  if (told !== undefined) return told;
  return receipt.state != null && !hasEnded(receipt.state);
}
