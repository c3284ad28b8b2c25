/** Many tasks at once over HTTP: cancel, retry and purge, by ids or by what matches. Each answers within a bound. */
import * as v from "valibot";
import { viewOfRetry } from "../../broker/administration.ts";
import { cancelMatching, purgeMatching, retryMatching } from "../../operations/bulk.ts";
import type { ApiParts } from "./parts.ts";
import { type Route, route } from "./route.ts";
import { CancelSchema, CancelView, PurgeSchema, RetrySchema, RetryView } from "./schemas.ts";

/** How many tasks one request changes before it answers, and how long it takes at the most, in ms. */
const MOST_CHANGES = 10_000;
const LONGEST_MS = 10_000;

const AGAIN = "`more` says that there may be more: ask again";

export function bulkRoutes({ broker }: ApiParts): Route[] {
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
      async handle({ context, body: { ids, ...filter } }) {
        if (ids !== undefined) return context.json({ tasks: await broker.cancel([...new Set(ids)]) });
        const { count, more } = await bounded(cancelMatching(broker, filter));
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
      async handle({ context, body: { ids, state = "dead", ...filter } }) {
        if (ids !== undefined) return context.json({ tasks: (await broker.retry([...new Set(ids)])).map(viewOfRetry) });
        const { count, more } = await bounded(retryMatching(broker, { ...filter, state }));
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
      async handle({ context, body: { state, type, queue } }) {
        const query = { state, ...(type === undefined ? {} : { type }), ...(queue === undefined ? {} : { queue }) };
        const { count, more } = await bounded(purgeMatching(broker, query));
        return context.json({ purged: count, more });
      },
    }),
  ];
}

async function bounded(steps: AsyncGenerator<number>): Promise<{ readonly count: number; readonly more: boolean }> {
  const until = performance.now() + LONGEST_MS;
  let count = 0;
  for await (const step of steps) {
    count += step;
    if (count >= MOST_CHANGES || performance.now() > until) return { count, more: true };
  }
  return { count, more: false };
}
