/** Cron schedules over HTTP: list, show, put, remove, run now, pause, resume. */
import * as v from "valibot";
import { putSchedule } from "../../../operations/schedules/put-schedule.ts";
import { findSchedule, listSchedules } from "../../../operations/schedules/schedule.ts";
import {
  pauseSchedule,
  resumeSchedule,
  runSchedule,
  UnknownScheduleError,
} from "../../../operations/schedules/schedule-control.ts";
import { ReceiptView } from "../../../operations/views/receipt-views.ts";
import { ScheduleView, scheduleView } from "../../../operations/views/schedule-view.ts";
import { scheduleOptionsOfJson } from "../../../task/options/schedule-options.ts";
import type { RouteParts } from "../parts.ts";
import { knownType, PAYLOAD_REFUSED } from "../payload-check.ts";
import { exactJson, type Route, route } from "../route.ts";
import { ScheduleListSchema, ScheduleParams, ScheduleSchema } from "../schemas.ts";

export function scheduleRoutes(parts: RouteParts): Route[] {
  const { priorities } = parts;
  return [
    route({
      operationId: "listSchedules",
      method: "GET",
      path: "/schedules",
      summary: "A page of cron schedules, by name; follow the cursor until it is null",
      query: ScheduleListSchema,
      problems: [429],
      answers: {
        200: {
          description: "the page; a payload of more than 1 000 bytes is null: payload_bytes tells its length",
          schema: v.object({ schedules: v.array(ScheduleView), cursor: v.nullable(v.string()) }),
        },
      },
      async handle({ context, broker, query }) {
        const { schedules, cursor } = await listSchedules(broker, query);
        return exactJson(context, { schedules: schedules.map(scheduleView), cursor });
      },
    }),
    route({
      operationId: "getSchedule",
      method: "GET",
      path: "/schedules/:name",
      summary: "One cron schedule",
      params: ScheduleParams,
      problems: [404],
      answers: { 200: { description: "the schedule", schema: ScheduleView } },
      async handle({ context, broker, params: { name } }) {
        const schedule = await findSchedule(broker, name);
        if (schedule === null) throw new UnknownScheduleError(name);
        return exactJson(context, scheduleView(schedule));
      },
    }),
    route({
      operationId: "putSchedule",
      method: "PUT",
      path: "/schedules/:name",
      summary: "Store a cron schedule, or replace it; the same again keeps its next time and a run that was missed",
      params: ScheduleParams,
      body: ScheduleSchema,
      answers: { 200: { description: "it is stored", schema: ScheduleView }, 422: PAYLOAD_REFUSED },
      async handle({ context, broker, params: { name }, body }) {
        const { cron, timezone, type, payload, overlap } = body;
        const wanted = { name, cron, timezone, type, payload, overlap, ...scheduleOptionsOfJson(body) };
        const surroundings = { retentionMs: parts.retentionMs, priorities, known: knownType(parts, type) };
        return exactJson(context, scheduleView(await putSchedule(broker, wanted, surroundings)));
      },
    }),
    route({
      operationId: "removeSchedule",
      method: "DELETE",
      path: "/schedules/:name",
      summary: "Remove a cron schedule; tasks that it has enqueued stay",
      params: ScheduleParams,
      problems: [404],
      answers: {
        200: { description: "it is gone", schema: v.object({ name: v.string(), removed: v.boolean() }) },
      },
      async handle({ context, broker, params: { name } }) {
        if (!(await broker.removeSchedule(name))) throw new UnknownScheduleError(name);
        return context.json({ name, removed: true });
      },
    }),
    route({
      operationId: "runSchedule",
      method: "POST",
      path: "/schedules/:name/run",
      summary: "Enqueue a run of a cron schedule now, also while it is paused",
      params: ScheduleParams,
      problems: [404],
      answers: {
        200: { description: "an earlier run has not ended, or another task holds its unique key", schema: ReceiptView },
        201: { description: "it is enqueued, or waits for the end of the run before it", schema: ReceiptView },
      },
      async handle({ context, broker, params: { name } }) {
        const receipt = await runSchedule(broker, name);
        return context.json(receipt, receipt.created ? 201 : 200);
      },
    }),
    route({
      operationId: "pauseSchedule",
      method: "POST",
      path: "/schedules/:name/pause",
      summary: "Let a cron schedule fire no more until it is resumed",
      params: ScheduleParams,
      problems: [404],
      answers: { 200: { description: "it is paused", schema: ScheduleView } },
      handle: async ({ context, broker, params: { name } }) =>
        exactJson(context, scheduleView(await pauseSchedule(broker, name))),
    }),
    route({
      operationId: "resumeSchedule",
      method: "POST",
      path: "/schedules/:name/resume",
      summary: "Let a cron schedule fire again; what it missed meanwhile is not caught up",
      params: ScheduleParams,
      problems: [404],
      answers: { 200: { description: "it is not paused any more", schema: ScheduleView } },
      handle: async ({ context, broker, params: { name } }) =>
        exactJson(context, scheduleView(await resumeSchedule(broker, name))),
    }),
  ];
}
