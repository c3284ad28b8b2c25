/** Changes to single tasks over HTTP: run now, an edit of one that waits, a retry. */
import { editTask, promote, retryWith } from "../../../operations/changes/edit.ts";
import { EditView, PromoteView, RetryView, retryView } from "../../../operations/views/receipt-views.ts";
import { hasEnded } from "../../../task/state.ts";
import { conflict, unknownTask } from "../api-error.ts";
import type { RouteParts } from "../parts.ts";
import { knownType, PAYLOAD_REFUSED } from "../payload-check.ts";
import { type Route, route } from "../route.ts";
import { EditSchema, IdParams, RetryOneSchema } from "../schemas.ts";

/** Of a body with a payload, in bytes. */
const BODY_LIMIT = 8 * 1024 * 1024;

export function changeRoutes(parts: RouteParts): Route[] {
  const known = (type: string) => knownType(parts, type);
  return [
    route({
      operationId: "promoteTask",
      method: "POST",
      path: "/tasks/:id/promote",
      summary: "Run now: queue a scheduled or retrying task at once",
      params: IdParams,
      problems: [404, 409],
      answers: { 200: { description: "it is queued; the state it was in", schema: PromoteView } },
      async handle({ context, broker, params: { id } }) {
        const [receipt] = await promote(broker, [id]);
        if (receipt === undefined || receipt.state === null) throw unknownTask(id);
        if (!receipt.promoted) {
          const only = "only scheduled and retrying ones are queued";
          throw conflict(`the task ${JSON.stringify(id)} is ${receipt.state}: ${only}`);
        }
        return context.json(receipt);
      },
    }),
    route({
      operationId: "editTask",
      method: "PATCH",
      path: "/tasks/:id",
      summary: "Change a task that waits: its payload, its priority, its time",
      params: IdParams,
      body: EditSchema,
      bodyLimit: BODY_LIMIT,
      problems: [404, 409],
      answers: { 200: { description: "it is changed; the state it was in", schema: EditView }, 422: PAYLOAD_REFUSED },
      async handle({ context, broker, params: { id }, body: { payload, priority, at, delay_ms: delayMs } }) {
        const change = { payload, priority, at, delayMs };
        const receipt = await editTask(broker, known, id, change, parts.priorities);
        const { state, edited, refused } = receipt;
        if (state === null) throw unknownTask(id);
        if (refused !== undefined)
          throw conflict(`the task ${JSON.stringify(id)} cannot have that payload: ${refused}`);
        if (!edited) {
          const why =
            hasEnded(state) || state === "running" ? "only one that waits can be changed" : "nothing to change";
          throw conflict(`the task ${JSON.stringify(id)} is ${state}: ${why}`);
        }
        return context.json(receipt);
      },
    }),
    route({
      operationId: "retryTask",
      method: "POST",
      path: "/tasks/:id/retry",
      summary: "Queue a dead or cancelled task again, from its first attempt, with its own payload or another one",
      params: IdParams,
      body: RetryOneSchema,
      isBodyOptional: true,
      bodyLimit: BODY_LIMIT,
      problems: [404, 409],
      answers: { 200: { description: "it is queued; the state it was in", schema: RetryView }, 422: PAYLOAD_REFUSED },
      async handle({ context, broker, params: { id }, body: { payload } }) {
        const [receipt] = await (payload === undefined ? broker.retry([id]) : retryWith(broker, known, [id], payload));
        if (receipt === undefined || receipt.state === null) throw unknownTask(id);
        const { state, retried, heldBy, refused } = receipt;
        if (heldBy !== undefined) {
          throw conflict(
            `the unique key of the task ${JSON.stringify(id)} is held by ${JSON.stringify(heldBy)}: retry ` +
              "it when that has ended",
          );
        }
        if (refused !== undefined)
          throw conflict(`the task ${JSON.stringify(id)} cannot have that payload: ${refused}`);
        if (!retried) {
          throw conflict(`the task ${JSON.stringify(id)} is ${state}: only dead and cancelled ones are retried`);
        }
        return context.json(retryView(receipt));
      },
    }),
  ];
}
