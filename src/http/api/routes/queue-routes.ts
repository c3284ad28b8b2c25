/** Queues and types over HTTP: what is in them, and pausing them for the whole fleet. */
import * as v from "valibot";
import { pause, resume } from "../../../operations/pauses.ts";
import { seenQueues } from "../../../operations/queues.ts";
import { PausedView, PauseView, pausedView } from "../../../operations/views/pause-view.ts";
import { QueueView } from "../../../operations/views/queue-view.ts";
import { type Route, route } from "../route.ts";
import { QueueParams, TypeParams } from "../schemas.ts";

export function queueRoutes(): Route[] {
  const paused = { 200: { description: "it is paused", schema: PauseView } };
  const resumed = { 200: { description: "it is not paused any more", schema: PauseView } };
  return [
    route({
      operationId: "listQueues",
      method: "GET",
      path: "/queues",
      summary: "The queues of this executor, then all others that are known, with their counts; and all that is paused",
      answers: {
        200: {
          description: "counts by state",
          schema: v.object({
            counted_at: v.number(),
            queues: v.array(QueueView),
            left_out: v.number(),
            paused: PausedView,
          }),
        },
      },
      async handle({ context, broker }) {
        const { queues, leftOut } = await seenQueues(broker);
        return context.json({
          counted_at: Math.round(broker.now()),
          queues,
          left_out: leftOut,
          paused: pausedView(await broker.paused()),
        });
      },
    }),
    route({
      operationId: "pauseQueue",
      method: "POST",
      path: "/queues/:name/pause",
      summary: "Let nothing of a queue start, in the whole fleet",
      params: QueueParams,
      answers: paused,
      handle: async ({ context, broker, params: { name } }) =>
        context.json(await pause(broker, { kind: "queue", name })),
    }),
    route({
      operationId: "resumeQueue",
      method: "POST",
      path: "/queues/:name/resume",
      summary: "Let a queue go on",
      params: QueueParams,
      answers: resumed,
      handle: async ({ context, broker, params: { name } }) =>
        context.json(await resume(broker, { kind: "queue", name })),
    }),
    route({
      operationId: "pauseType",
      method: "POST",
      path: "/types/:name/pause",
      summary: "Let nothing of a type start, in the whole fleet",
      params: TypeParams,
      answers: paused,
      handle: async ({ context, broker, params: { name } }) =>
        context.json(await pause(broker, { kind: "type", name })),
    }),
    route({
      operationId: "resumeType",
      method: "POST",
      path: "/types/:name/resume",
      summary: "Let a type go on",
      params: TypeParams,
      answers: resumed,
      handle: async ({ context, broker, params: { name } }) =>
        context.json(await resume(broker, { kind: "type", name })),
    }),
  ];
}
