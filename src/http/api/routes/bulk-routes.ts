/**
 * Many tasks at once over HTTP: cancel, retry, promote and purge, by ids or by what matches. Each answers within a
 * bound; with `dry_run` nothing is changed, and what matches is counted.
 */
import * as v from "valibot";
import {
  bounded,
  cancelMatching,
  DEFAULT_RETRIED_STATE,
  inBatches,
  LIVING,
  promoteMatching,
  purgeMatching,
  retryMatching,
  type TaskFilter,
} from "../../../operations/changes/bulk.ts";
import { countMatching } from "../../../operations/changes/count.ts";
import { promote } from "../../../operations/changes/edit.ts";
import type { AskedBroker } from "../../../operations/limits/limited-broker.ts";
import { CancelView, PromoteView, RetryView, retryView } from "../../../operations/views/receipt-views.ts";
import { MOVES, type TaskState } from "../../../task/state.ts";
import { type Route, route } from "../route.ts";
import { CancelSchema, PromoteSchema, PurgeSchema, RetrySchema } from "../schemas.ts";

/** How many tasks one request changes before it answers, and how long it takes at the most, in ms. */
const BOUNDS = { most: 10_000, longestMs: 10_000 };

const AGAIN = "`more` says that there may be more: ask again";

/** The answer where nothing was changed. */
const MatchingView = v.object({ matching: v.number(), more: v.boolean() });

async function counted(broker: AskedBroker, filter: TaskFilter, states: readonly TaskState[]) {
  const most = Number.POSITIVE_INFINITY;
  const { count, more } = await bounded(countMatching(broker, filter, states), { ...BOUNDS, most });
  return { matching: count, more };
}

export function bulkRoutes(): Route[] {
  return [
    route({
      operationId: "cancelTasks",
      method: "POST",
      path: "/cancel",
      summary: "Cancel tasks by ids, or all that wait or run of a type or in a queue",
      body: CancelSchema,
      answers: {
        200: {
          description: `ids: what each was; else how many. ${AGAIN}`,
          schema: v.union([
            v.object({ tasks: v.array(CancelView) }),
            v.object({ cancelled: v.number(), more: v.boolean() }),
            MatchingView,
          ]),
        },
      },
      async handle({ context, broker, body: { ids, dry_run: isDry, ...filter } }) {
        if (ids !== undefined) return context.json({ tasks: await inBatches(ids, (some) => broker.cancel(some)) });
        if (isDry) return context.json(await counted(broker, filter, LIVING));
        const { count, more } = await bounded(cancelMatching(broker, filter), BOUNDS);
        return context.json({ cancelled: count, more });
      },
    }),
    route({
      operationId: "retryTasks",
      method: "POST",
      path: "/retry",
      summary: "Queue tasks again by ids, or all dead (or cancelled) ones that match",
      body: RetrySchema,
      answers: {
        200: {
          description: `ids: what each was; else how many. ${AGAIN}`,
          schema: v.union([
            v.object({ tasks: v.array(RetryView) }),
            v.object({ retried: v.number(), more: v.boolean() }),
            MatchingView,
          ]),
        },
      },
      async handle({ context, broker, body: { ids, dry_run: isDry, ...filter } }) {
        if (ids !== undefined)
          return context.json({ tasks: (await inBatches(ids, (some) => broker.retry(some))).map(retryView) });
        if (isDry) return context.json(await counted(broker, filter, [filter.state ?? DEFAULT_RETRIED_STATE]));
        const { count, more } = await bounded(retryMatching(broker, filter), BOUNDS);
        return context.json({ retried: count, more });
      },
    }),
    route({
      operationId: "promoteTasks",
      method: "POST",
      path: "/promote",
      summary: "Queue tasks at once by ids, or all scheduled and retrying ones of a type or in a queue",
      body: PromoteSchema,
      answers: {
        200: {
          description: `ids: what each was; else how many. ${AGAIN}`,
          schema: v.union([
            v.object({ tasks: v.array(PromoteView) }),
            v.object({ promoted: v.number(), more: v.boolean() }),
            MatchingView,
          ]),
        },
      },
      async handle({ context, broker, body: { ids, dry_run: isDry, ...filter } }) {
        if (ids !== undefined) return context.json({ tasks: await inBatches(ids, (some) => promote(broker, some)) });
        if (isDry) return context.json(await counted(broker, filter, MOVES.promote.from));
        const { count, more } = await bounded(promoteMatching(broker, filter), BOUNDS);
        return context.json({ promoted: count, more });
      },
    }),
    route({
      operationId: "purgeTasks",
      method: "POST",
      path: "/purge",
      summary: "Remove the records of ended tasks",
      body: PurgeSchema,
      answers: {
        200: {
          description: `how many went. ${AGAIN}`,
          schema: v.union([v.object({ purged: v.number(), more: v.boolean() }), MatchingView]),
        },
      },
      async handle({ context, broker, body: { dry_run: isDry, ...query } }) {
        if (isDry) return context.json(await counted(broker, query, [query.state]));
        const { count, more } = await bounded(purgeMatching(broker, query), BOUNDS);
        return context.json({ purged: count, more });
      },
    }),
  ];
}
