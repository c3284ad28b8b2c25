/** Enqueueing over HTTP: one task, or up to 1 000 that are enqueued all or not at all. */
import * as v from "valibot";
import type { EnqueueReceipt } from "../../../broker/broker.ts";
import { countedProducer, type Producer } from "../../../operations/counted-producer.ts";
import type { AskedBroker } from "../../../operations/limits/limited-broker.ts";
import { prepare, type ReadyTask, requestsOf } from "../../../operations/prepare.ts";
import { ReceiptView } from "../../../operations/views/receipt-views.ts";
import { refusedAt } from "../../../task/message/new-task.ts";
import { optionsOfJson, type TaskJson, TaskJsonSchema } from "../../../task/message/task-json.ts";
import { sending } from "../../../task/trace/sending.ts";
import { readTrace, type TraceContext } from "../../../task/trace/trace-context.ts";
import type { RouteParts } from "../parts.ts";
import { knownType, PAYLOAD_REFUSED } from "../payload-check.ts";
import { type Route, route } from "../route.ts";
import { DescribedTasksSchema, NewTasksSchema } from "../schemas.ts";

/** In bytes. */
const ENQUEUE_BODY_LIMIT = 8 * 1024 * 1024;

// Told apart by the key, so that what is wrong with a task is told of the task and not of two alternatives.
const Body = v.lazy((body) =>
  typeof body === "object" && body !== null && "tasks" in body ? NewTasksSchema : TaskJsonSchema,
);

const ManyView = v.object({ tasks: v.array(ReceiptView), created: v.number() });

export function enqueueRoutes(parts: RouteParts): Route[] {
  const countedIn = (broker: AskedBroker): Producer =>
    countedProducer(broker, (queue, count) => parts.enqueued?.(queue, count));
  const ready = (broker: Producer, task: TaskJson, trace: TraceContext | null): ReadyTask => {
    const { type, payload } = task;
    const { retentionMs, priorities } = parts;
    const asked = { type, payload, options: optionsOfJson(task) };
    return prepare(broker, { retentionMs, priorities, trace }, asked, knownType(parts, type));
  };
  const send = (broker: Producer, ready: readonly ReadyTask[]): Promise<EnqueueReceipt[]> => {
    const tasks = ready.map(({ task }) => task);
    return sending(tasks, () => broker.enqueue(requestsOf(tasks, broker)));
  };

  return [
    route({
      operationId: "enqueueTasks",
      method: "POST",
      path: "/tasks",
      summary: "Enqueue a task, or up to 1 000 of them all or not at all",
      body: Body,
      described: v.union([TaskJsonSchema, DescribedTasksSchema]),
      bodyLimit: ENQUEUE_BODY_LIMIT,
      answers: {
        200: {
          description: "many: one receipt each, in order; one: it was there already, or another holds its unique key",
          schema: v.union([ReceiptView, ManyView]),
        },
        201: { description: "one: it is enqueued", schema: ReceiptView },
        422: PAYLOAD_REFUSED,
      },
      async handle({ context, broker: asked, body }) {
        const broker = countedIn(asked);
        const trace = readTrace(context.req.header("traceparent"), context.req.header("tracestate"));
        if ("tasks" in body) {
          const tasks = body.tasks.map((task, index) => named(index, () => ready(broker, task, trace)));
          for (const [index, task] of tasks.entries()) await checkNamed(index, task);
          const receipts = await send(broker, tasks);
          return context.json({ tasks: receipts, created: receipts.filter(({ created }) => created).length });
        }
        const task = ready(broker, body, trace);
        await task.check();
        const [receipt] = await send(broker, [task]);
        if (receipt === undefined) throw new Error("the broker gave no receipt");
        return context.json(receipt, receipt.created ? 201 : 200);
      },
    }),
  ];
}

function named(index: number, make: () => ReadyTask): ReadyTask {
  try {
    return make();
  } catch (error) {
    throw refusedAt(`tasks.${index}`, error);
  }
}

async function checkNamed(index: number, task: ReadyTask): Promise<void> {
  try {
    await task.check();
  } catch (error) {
    throw refusedAt(`tasks.${index}`, error);
  }
}
