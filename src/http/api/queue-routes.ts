/** Queues and types over HTTP: what is in them, and pausing them for the whole fleet. */
import * as v from "valibot";
import type { PauseTarget } from "../../broker/administration.ts";
import { pause as pauseOne } from "../../operations/pauses.ts";
import { QueueView, queueViews } from "../../operations/views/queue-view.ts";
import type { ApiParts } from "./parts.ts";
import { type Route, route } from "./route.ts";
import { PauseView, QueueParams, TypeParams } from "./schemas.ts";

export function queueRoutes({ broker }: ApiParts): Route[] {
  const pause = (target: PauseTarget) => pauseOne(broker, target).then(() => ({ ...target, paused: true }));
  const resume = (target: PauseTarget) => broker.resume(target).then(() => ({ ...target, paused: false }));
  const paused = { 200: { description: "it is paused", schema: PauseView } };
  const resumed = { 200: { description: "it is not paused any more", schema: PauseView } };
  return [
    route({
      operationId: "listQueues",
      method: "GET",
      path: "/queues",
      summary: "The queues of this executor with their counts, and all that is paused",
      answers: {
        200: {
          description: "counts by state",
          schema: v.object({
            counted_at: v.number(),
            queues: v.array(QueueView),
            paused: v.object({ queues: v.array(v.string()), types: v.array(v.string()) }),
          }),
        },
      },
      async handle({ context }) {
        const [counts, targets] = [await broker.counts(), await broker.paused()];
        const names = (kind: PauseTarget["kind"]) =>
          targets.filter((target) => target.kind === kind).map(({ name }) => name);
        return context.json({
          counted_at: Math.round(broker.now()),
          queues: queueViews(counts, targets),
          paused: { queues: names("queue"), types: names("type") },
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
      handle: async ({ context, params: { name } }) => context.json(await pause({ kind: "queue", name })),
    }),
    route({
      operationId: "resumeQueue",
      method: "POST",
      path: "/queues/:name/resume",
      summary: "Let a queue go on",
      params: QueueParams,
      answers: resumed,
      handle: async ({ context, params: { name } }) => context.json(await resume({ kind: "queue", name })),
    }),
    route({
      operationId: "pauseType",
      method: "POST",
      path: "/types/:name/pause",
      summary: "Let nothing of a type start, in the whole fleet",
      params: TypeParams,
      answers: paused,
      handle: async ({ context, params: { name } }) => context.json(await pause({ kind: "type", name })),
    }),
    route({
      operationId: "resumeType",
      method: "POST",
      path: "/types/:name/resume",
      summary: "Let a type go on",
      params: TypeParams,
      answers: resumed,
      handle: async ({ context, params: { name } }) => context.json(await resume({ kind: "type", name })),
    }),
  ];
}
