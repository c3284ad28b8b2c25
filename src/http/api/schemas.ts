/** What the API takes and gives, as schemas: names as they stand in the JSON, times as Unix ms. */
import * as v from "valibot";
import { MAX_ADMINISTRATION_BATCH } from "../../broker/administration.ts";
import { MAX_ENQUEUE_BATCH } from "../../broker/broker.ts";
import { ScheduleNameSchema } from "../../broker/operations/put-schedule.ts";
import { EnqueueOptionsSchema, QueueNameSchema } from "../../task/enqueue-options.ts";
import { MAX_TYPE_LENGTH, MessageSchema } from "../../task/message.ts";
import { TaskRecordSchema } from "../../task/record.ts";
import { TASK_STATES } from "../../task/state.ts";

const options = EnqueueOptionsSchema.entries;

export const TaskId = MessageSchema.entries.id;

export const TypeName = v.pipe(
  v.string("must be a string"),
  v.nonEmpty("must not be empty"),
  v.maxLength(MAX_TYPE_LENGTH, `must be at most ${MAX_TYPE_LENGTH} characters long`),
);

const State = v.picklist(TASK_STATES, `must be one of ${TASK_STATES.join(", ")}`);

const Time = v.union(
  [
    v.pipe(v.number(), v.finite(), v.minValue(0)),
    v.pipe(
      v.string(),
      v.isoTimestamp(),
      v.transform((text) => Date.parse(text)),
      v.number(),
      v.finite(),
    ),
  ],
  "must be Unix ms, or an ISO 8601 time with a zone like 2026-01-31T12:00:00Z",
);

/** The query of a list. */
export const ListQuerySchema = v.strictObject({
  state: v.optional(State),
  type: v.optional(TypeName),
  queue: v.optional(QueueNameSchema),
  limit: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,4}$/, `must be 1 to ${MAX_ADMINISTRATION_BATCH}`),
      v.transform(Number),
      v.number(),
      v.minValue(1, `must be 1 to ${MAX_ADMINISTRATION_BATCH}`),
      v.maxValue(MAX_ADMINISTRATION_BATCH, `must be 1 to ${MAX_ADMINISTRATION_BATCH}`),
    ),
    "100",
  ),
  cursor: v.optional(v.pipe(v.string(), v.maxLength(200, "is not one that a list has given"))),
});

/** One task to enqueue. */
export const NewTaskSchema = v.strictObject({
  type: TypeName,
  payload: v.optional(v.unknown()),
  id: options.id,
  queue: options.queue,
  priority: options.priority,
  attempts: options.attempts,
  backoff: options.backoff,
  timeout_ms: options.timeoutMs,
  deadline_at: v.optional(Time),
  delay_ms: options.delayMs,
  at: v.optional(Time),
  retention_ms: options.retentionMs,
  unique: v.optional(
    v.strictObject({
      key: v.unwrap(options.unique).entries.key,
      for_ms: v.unwrap(options.unique).entries.forMs,
    }),
  ),
});

export type NewTask = v.InferOutput<typeof NewTaskSchema>;

const many = <Item extends v.GenericSchema>(item: Item, most: number) =>
  v.pipe(
    v.array(item, "must be an array"),
    v.minLength(1, "must not be empty"),
    v.maxLength(most, `must be at most ${most}`),
  );

export const NewTasksSchema = v.strictObject({ tasks: many(NewTaskSchema, MAX_ENQUEUE_BATCH) });

const filter = { type: v.optional(TypeName), queue: v.optional(QueueNameSchema) };

const ids = v.optional(many(TaskId, MAX_ADMINISTRATION_BATCH));

const SOME = "give either ids, or a type or a queue";

export const CancelSchema = v.pipe(
  v.strictObject({ ids, ...filter }),
  v.check(({ ids, type, queue }) => (ids === undefined) === ((type ?? queue) !== undefined), SOME),
);

export const RetrySchema = v.pipe(
  v.strictObject({ ids, ...filter, state: v.optional(v.picklist(["dead", "cancelled"], "must be dead or cancelled")) }),
  v.check(
    ({ ids, type, queue, state }) => (ids === undefined) === ((type ?? queue ?? state) !== undefined),
    "give either ids, or a type, a queue or a state",
  ),
);

export const PurgeSchema = v.strictObject({
  state: v.picklist(["done", "dead", "cancelled"], "must be done, dead or cancelled"),
  ...filter,
});

export const ScheduleSchema = v.strictObject({
  cron: v.pipe(v.string("must be a string"), v.maxLength(200, "must be at most 200 characters long")),
  timezone: v.optional(v.nullable(v.pipe(v.string("must be a string"), v.maxLength(100)))),
  type: TypeName,
  payload: v.optional(v.unknown()),
  queue: options.queue,
  priority: options.priority,
  retention_ms: options.retentionMs,
});

export const IdParams = v.strictObject({ id: TaskId });
export const QueueParams = v.strictObject({ name: QueueNameSchema });
export const TypeParams = v.strictObject({ name: TypeName });
export const ScheduleParams = v.strictObject({ name: ScheduleNameSchema });

/** What is answered. */
export const TaskView = TaskRecordSchema;
export const ReceiptView = v.object({ id: v.string(), created: v.boolean(), state: v.picklist(TASK_STATES) });
export const CancelView = v.object({ id: v.string(), state: v.nullable(v.picklist(TASK_STATES)) });
export const RetryView = v.object({ ...CancelView.entries, retried: v.boolean() });
export const LogView = v.object({
  at: v.number(),
  level: v.picklist(["debug", "info", "warn", "error"]),
  text: v.string(),
});
export const PauseView = v.object({ kind: v.picklist(["queue", "type"]), name: v.string(), paused: v.boolean() });
export const QueueView = v.object({
  name: v.string(),
  queued: v.number(),
  running: v.number(),
  scheduled: v.number(),
  dead: v.number(),
  done: v.number(),
  cancelled: v.number(),
  paused: v.boolean(),
});
export const ScheduleView = v.object({
  name: v.string(),
  cron: v.string(),
  timezone: v.nullable(v.string()),
  type: v.string(),
  queue: v.string(),
  priority: v.number(),
  payload: v.unknown(),
  retention_ms: v.number(),
  next_at: v.nullable(v.number()),
  last_at: v.nullable(v.number()),
});
