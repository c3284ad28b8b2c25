/** Single tasks over HTTP: lists, records, logs, a watch, a cancel. Other changes are in change-routes.ts. */
import * as v from "valibot";
import { findTask, notFound } from "../../../operations/search/find-task.ts";
import { searchPage } from "../../../operations/search/search.ts";
import { QUERY_KEYS } from "../../../operations/search/task-query.ts";
import { CancelView } from "../../../operations/views/receipt-views.ts";
import { LogView, TaskAndLogView, taskAndLogView } from "../../../operations/views/task-view.ts";
import { ListedTaskSchema } from "../../../task/record/listed-task.ts";
import { hasEnded } from "../../../task/state.ts";
import { ApiError, conflict, unknownTask } from "../api-error.ts";
import type { RouteParts } from "../parts.ts";
import { exactJson, type Route, route } from "../route.ts";
import { IdParams, ListQuerySchema } from "../schemas.ts";
import { TaskWatches } from "../watch/task-watches.ts";

export function taskRoutes({ signal }: RouteParts): Route[] {
  const watches = new TaskWatches(signal);
  return [
    route({
      operationId: "listTasks",
      method: "GET",
      path: "/tasks",
      summary:
        "A page of tasks; follow the cursor until it is null (a page before that may be empty). q: terms that must " +
        `all hold, of ${QUERY_KEYS.join(" ")} and plain words`,
      query: ListQuerySchema,
      problems: [429],
      answers: {
        200: {
          description:
            "the page, of 4 MB at the most; of each message the first 1 000 characters, and results of up to 1 000 " +
            "bytes: message_bytes and result_bytes tell the whole length",
          schema: v.object({
            tasks: v.array(ListedTaskSchema),
            cursor: v.nullable(v.string()),
            /** Absent: none was looked at one by one, since indexes had it all. */
            looked: v.optional(v.number()),
          }),
        },
      },
      async handle({ context, broker, query }) {
        const { tasks, cursor, looked } = await searchPage(broker, query);
        return context.json({ tasks, cursor, ...(looked === null ? {} : { looked }) });
      },
    }),
    route({
      operationId: "getTask",
      method: "GET",
      path: "/tasks/:id",
      summary: "The record of a task",
      params: IdParams,
      problems: [404],
      answers: { 200: { description: "everything that is kept about it, its log included", schema: TaskAndLogView } },
      async handle({ context, broker, params }) {
        const found = await findTask(broker, params.id);
        const { record } = found;
        if (record === null) throw new ApiError(404, "not_found", notFound(params.id, found, " is kept"));
        return exactJson(context, taskAndLogView(record, await broker.logs(params.id)));
      },
    }),
    route({
      operationId: "getTaskLogs",
      method: "GET",
      path: "/tasks/:id/logs",
      summary: "The last lines of a task's log",
      params: IdParams,
      problems: [404],
      answers: { 200: { description: "oldest first", schema: v.object({ lines: v.array(LogView) }) } },
      async handle({ context, broker, params }) {
        const lines = await broker.logs(params.id);
        if (lines.length === 0 && (await broker.record(params.id)) === null) throw unknownTask(params.id);
        return context.json({ lines });
      },
    }),
    route({
      operationId: "watchTask",
      method: "GET",
      path: "/tasks/:id/watch",
      summary: "Follow a task: server-sent events state, log, progress and waiting (why) as they come, then end",
      params: IdParams,
      problems: [404, 429],
      answers: { 200: { description: "ends with the task", type: "text/event-stream" } },
      handle: ({ context, broker, params }) => watches.answer(context, broker, params.id),
    }),
    route({
      operationId: "cancelTask",
      method: "POST",
      path: "/tasks/:id/cancel",
      summary: "Cancel a task wherever it is",
      params: IdParams,
      problems: [404, 409],
      answers: { 200: { description: "the state it was in", schema: CancelView } },
      async handle({ context, broker, params: { id } }) {
        const [receipt] = await broker.cancel([id]);
        const state = receipt?.state ?? null;
        if (state === null) {
          throw new ApiError(
            404,
            "not_found",
            `no record of a task ${JSON.stringify(id)}; it is cancelled if it comes`,
          );
        }
        if (hasEnded(state)) throw conflict(`the task ${JSON.stringify(id)} has ended already: it is ${state}`);
        return context.json({ id, state });
      },
    }),
  ];
}
