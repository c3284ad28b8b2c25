/** Many tasks at once over HTTP: cancel, retry and purge, by ids or by what matches. Each answers within a bound. */
import * as v from "valibot";
import { bounded, cancelMatching, inBatches, purgeMatching, retryMatching } from "../../../operations/changes/bulk.ts";
import { CancelView, RetryView, retryView } from "../../../operations/views/receipt-views.ts";
import { type Route, route } from "../route.ts";
import { CancelSchema, PurgeSchema, RetrySchema } from "../schemas.ts";

/** How many tasks one request changes before it answers, and how long it takes at the most, in ms. */
const BOUNDS = { most: 10_000, longestMs: 10_000 };

const AGAIN = "`more` says that there may be more: ask again";

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
          ]),
        },
      },
      async handle({ context, broker, body: { ids, ...filter } }) {
        if (ids !== undefined) return context.json({ tasks: await inBatches(ids, (some) => broker.cancel(some)) });
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
          ]),
        },
      },
      async handle({ context, broker, body: { ids, ...filter } }) {
        if (ids !== undefined)
          return context.json({ tasks: (await inBatches(ids, (some) => broker.retry(some))).map(retryView) });
        const { count, more } = await bounded(retryMatching(broker, filter), BOUNDS);
        return context.json({ retried: count, more });
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
          schema: v.object({ purged: v.number(), more: v.boolean() }),
        },
      },
      async handle({ context, broker, body }) {
        const { count, more } = await bounded(purgeMatching(broker, body), BOUNDS);
        return context.json({ purged: count, more });
      },
    }),
  ];
}
