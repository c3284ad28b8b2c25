/** The history of the fleet over HTTP, as this executor has seen it since it began. */
import * as v from "valibot";
import type { HistoryRange } from "../../../metrics/rings.ts";
import { PAUSE_NAMES } from "../../../operations/pauses.ts";
import { ApiError } from "../api-error.ts";
import type { RouteParts } from "../parts.ts";
import { type Route, route } from "../route.ts";

const RANGE_NAMES = ["15m", "1h", "24h", "7d"] as const satisfies readonly HistoryRange[];

const HistoryQuery = v.strictObject({
  queue: v.optional(PAUSE_NAMES.queue),
  type: v.optional(PAUSE_NAMES.type),
  range: v.optional(v.picklist(RANGE_NAMES), "15m"),
});

const Counts = v.array(v.number());
const Percentiles = v.object({
  p50: v.array(v.nullable(v.number())),
  p95: v.array(v.nullable(v.number())),
  p99: v.array(v.nullable(v.number())),
});

const HistoryView = v.object({
  range: v.picklist(RANGE_NAMES),
  /** When the first slot begins, and how long each is; the last one is not over yet. */
  from: v.number(),
  step_ms: v.number(),
  /** Since when this executor has seen anything: what was before is not known. */
  since: v.number(),
  /** How many attempts ended so, in each slot. */
  outcomes: v.object({ done: Counts, retried: Counts, dead: Counts, cancelled: Counts, lost: Counts }),
  /** Estimates from buckets, in ms; null where none was counted. Of one queue alone runs are not known. */
  run_ms: v.nullable(Percentiles),
  wait_ms: Percentiles,
  queues: v.array(v.object({ name: v.string(), waiting: Counts, oldest_s: Counts })),
  /** The types that failed most, of how many attempts. */
  failing: v.array(v.object({ type: v.string(), failed: v.number(), attempts: v.number() })),
  marks: v.array(
    v.object({
      at: v.number(),
      kind: v.picklist(["deploy", "drain"]),
      executor: v.string(),
      what: v.nullable(v.string()),
    }),
  ),
});

export type HistoryJson = v.InferOutput<typeof HistoryView>;

/** Without a history there is none. */
export function historyRoutes({ history }: RouteParts): Route[] {
  if (history === undefined) return [];
  return [
    route({
      operationId: "getHistory",
      method: "GET",
      path: "/history",
      summary:
        "How attempts ended, how long they ran and waited, and what waited, over time; of the fleet, as this " +
        "executor has seen it since it began: a restart loses it",
      query: HistoryQuery,
      answers: { 200: { description: "slots of equal length, the oldest first", schema: HistoryView } },
      handle({ context, query, caller, broker }) {
        if (caller.queues !== null && (query.queue === undefined || !caller.queues.has(query.queue))) {
          const names = [...caller.queues].join(", ");
          throw new ApiError(403, "forbidden", `the token is limited to queues: ask with queue=, one of ${names}`);
        }
        const { queue, type, range } = query;
        const { marks, ...rest } = history.read({ queue, type, range }, broker.now());
        return context.json({ ...rest, marks: caller.queues === null ? marks : [] });
      },
    }),
  ];
}
