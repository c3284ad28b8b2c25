/** Cron schedules over HTTP: list, show, put, remove. */
import * as v from "valibot";
import type { Schedule } from "../../broker/administration.ts";
import { putSchedule } from "../../broker/operations/put-schedule.ts";
import { JsonText } from "../../task/json-text.ts";
import { ApiError } from "./api-error.ts";
import type { ApiParts } from "./parts.ts";
import { exactJson, type Route, route } from "./route.ts";
import { ScheduleParams, ScheduleSchema, ScheduleView } from "./schemas.ts";

export function scheduleRoutes({ broker, retentionMs, priorities }: ApiParts): Route[] {
  return [
    route({
      operationId: "listSchedules",
      method: "GET",
      path: "/schedules",
      summary: "All cron schedules, by name",
      answers: { 200: { description: "all of them", schema: v.object({ schedules: v.array(ScheduleView) }) } },
      async handle({ context }) {
        return exactJson(context, { schedules: (await broker.schedules()).map(viewOf) });
      },
    }),
    route({
      operationId: "getSchedule",
      method: "GET",
      path: "/schedules/:name",
      summary: "One cron schedule",
      params: ScheduleParams,
      answers: { 200: { description: "the schedule", schema: ScheduleView } },
      async handle({ context, params: { name } }) {
        const schedule = (await broker.schedules()).find((one) => one.name === name);
        if (schedule === undefined) throw unknown(name);
        return exactJson(context, viewOf(schedule));
      },
    }),
    route({
      operationId: "putSchedule",
      method: "PUT",
      path: "/schedules/:name",
      summary: "Store a cron schedule, or replace it; each firing enqueues the task once for the whole fleet",
      params: ScheduleParams,
      body: ScheduleSchema,
      answers: { 200: { description: "it is stored", schema: ScheduleView } },
      async handle({ context, params: { name }, body: { retention_ms, ...schedule } }) {
        const wanted = { ...schedule, name, retentionMs: retention_ms };
        const stored = await putSchedule(broker, wanted, { retentionMs, priorities });
        return exactJson(context, viewOf(stored));
      },
    }),
    route({
      operationId: "removeSchedule",
      method: "DELETE",
      path: "/schedules/:name",
      summary: "Remove a cron schedule; tasks that it has enqueued stay",
      params: ScheduleParams,
      answers: {
        200: { description: "it is gone", schema: v.object({ name: v.string(), removed: v.boolean() }) },
      },
      async handle({ context, params: { name } }) {
        if (!(await broker.removeSchedule(name))) throw unknown(name);
        return context.json({ name, removed: true });
      },
    }),
  ];
}

function viewOf({ payload, retentionMs, nextAt, lastAt, ...schedule }: Schedule): v.InferOutput<typeof ScheduleView> {
  return { ...schedule, payload: new JsonText(payload), retention_ms: retentionMs, next_at: nextAt, last_at: lastAt };
}

function unknown(name: string): ApiError {
  return new ApiError(404, "not_found", `there is no schedule ${JSON.stringify(name)}`);
}
