/** Enqueueing over HTTP: one task, or up to 1 000 that are enqueued all or not at all. */
import * as v from "valibot";
import type { EnqueueReceipt } from "../../broker/broker.ts";
import { withDefaults } from "../../task/enqueue-defaults.ts";
import { type PreparedTask, prepareTask, refusedAt, requestOf } from "../../task/new-task.ts";
import { optionsOfJson, type TaskJson, TaskJsonSchema } from "../../task/task-json.ts";
import type { ApiParts } from "./parts.ts";
import { PAYLOAD_REFUSED, refuseWrongPayload } from "./payload-check.ts";
import { type Route, route } from "./route.ts";
import { NewTasksSchema, ReceiptView } from "./schemas.ts";

/** In bytes. */
const ENQUEUE_BODY_LIMIT = 8 * 1024 * 1024;

// Told apart by the key, so that what is wrong with a task is told of the task and not of two alternatives.
const Body = v.lazy((body) =>
  typeof body === "object" && body !== null && "tasks" in body ? NewTasksSchema : TaskJsonSchema,
);

const ManyView = v.object({ tasks: v.array(ReceiptView), created: v.number() });

export function enqueueRoutes({ broker, retentionMs, priorities, handlerOf }: ApiParts): Route[] {
  const prepare = (task: TaskJson): PreparedTask => {
    const now = broker.now();
    const definition = handlerOf?.(task.type)?.options ?? {};
    const surroundings = { now, retentionMs: definition.retentionMs ?? retentionMs, priorities };
    return prepareTask(task.type, task.payload, withDefaults(optionsOfJson(task), definition, now), surroundings);
  };
  const check = (task: TaskJson, where?: string) => refuseWrongPayload(handlerOf, task, where);
  const send = (tasks: readonly PreparedTask[]): Promise<EnqueueReceipt[]> =>
    broker.enqueue(tasks.map((task) => requestOf(task, broker.now())));

  return [
    route({
      operationId: "enqueueTasks",
      method: "POST",
      path: "/tasks",
      summary: "Enqueue a task, or up to 1 000 of them all or not at all",
      body: Body,
      described: v.union([TaskJsonSchema, NewTasksSchema]),
      bodyLimit: ENQUEUE_BODY_LIMIT,
      answers: {
        200: {
          description: "many: one receipt each, in order; one: it was there already, or another holds its unique key",
          schema: v.union([ReceiptView, ManyView]),
        },
        201: { description: "one: it is enqueued", schema: ReceiptView },
        422: PAYLOAD_REFUSED,
      },
      async handle({ context, body }) {
        if ("tasks" in body) {
          const prepared = body.tasks.map((task, index) => named(index, () => prepare(task)));
          for (const [index, task] of body.tasks.entries()) await check(task, `tasks.${index}: `);
          const receipts = await send(prepared);
          return context.json({ tasks: receipts, created: receipts.filter(({ created }) => created).length });
        }
        const prepared = prepare(body);
        await check(body);
        const [receipt] = await send([prepared]);
        if (receipt === undefined) throw new Error("the broker gave no receipt");
        return context.json(receipt, receipt.created ? 201 : 200);
      },
    }),
  ];
}

function named(index: number, prepare: () => PreparedTask): PreparedTask {
  try {
    return prepare();
  } catch (error) {
    throw refusedAt(`tasks.${index}`, error);
  }
}
