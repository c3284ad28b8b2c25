/** What the API takes and gives, as schemas: names as they stand in the JSON, times as Unix ms. */
import * as v from "valibot";
import { MAX_ADMINISTRATION_BATCH } from "../../broker/administration.ts";
import { MAX_ENQUEUE_BATCH } from "../../broker/broker.ts";
import { ScheduleNameSchema } from "../../operations/schedules/put-schedule.ts";
import { KnownQueueSchema } from "../../task/enqueue-options.ts";
import { ListedTaskSchema } from "../../task/listed-task.ts";
import { MessageSchema, TypeSchema as TypeName } from "../../task/message-schema.ts";
import { TaskRecordSchema } from "../../task/record.ts";
import { ScheduleJsonEntries } from "../../task/schedule-options.ts";
import { TASK_STATES } from "../../task/state.ts";
import { TaskJsonSchema } from "../../task/task-json.ts";

export const TaskId = MessageSchema.entries.id;

const State = v.picklist(TASK_STATES, `must be one of ${TASK_STATES.join(", ")}`);

const LIMIT = `must be 1 to ${MAX_ADMINISTRATION_BATCH}`;

/** Where a page ended: the number of a source, and in it an offset, the id of a stream's entry, or nothing yet. */
const CURSOR = /^\d{1,6}:(-1|\d{1,18}(-\d{1,18})?)?$/;

/** The query of a list. */
export const ListQuerySchema = v.strictObject({
  state: v.optional(State),
  type: v.optional(TypeName),
  queue: v.optional(KnownQueueSchema),
  limit: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,4}$/, LIMIT),
      v.transform(Number),
      v.pipe(v.number(), v.integer(), v.minValue(1, LIMIT), v.maxValue(MAX_ADMINISTRATION_BATCH, LIMIT)),
    ),
    "100",
  ),
  cursor: v.optional(v.pipe(v.string(), v.regex(CURSOR, "is not one that a list has given"))),
});

const many = <Item extends v.GenericSchema>(item: Item, most: number) =>
  v.pipe(
    v.array(item, "must be an array"),
    v.minLength(1, "must not be empty"),
    v.maxLength(most, `must be at most ${most}`),
  );

export const MUST_BE_OBJECT = "must be an object";

/** As route.ts has it of whole bodies: an array is no task, though a schema of an object would take it for one. */
const NewTask = v.lazy((task) =>
  Array.isArray(task) ? v.custom<v.InferOutput<typeof TaskJsonSchema>>(() => false, MUST_BE_OBJECT) : TaskJsonSchema,
);

export const NewTasksSchema = v.strictObject({ tasks: many(NewTask, MAX_ENQUEUE_BATCH) });

const filter = { type: v.optional(TypeName), queue: v.optional(KnownQueueSchema) };

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

export const ScheduleSchema = v.strictObject(ScheduleJsonEntries);

export const IdParams = v.strictObject({ id: TaskId });
export const QueueParams = v.strictObject({ name: KnownQueueSchema });
export const TypeParams = v.strictObject({ name: TypeName });
export const ScheduleParams = v.strictObject({ name: ScheduleNameSchema });

/** What is answered. */
export const TaskView = TaskRecordSchema;
export const ListedTaskView = ListedTaskSchema;
export const ReceiptView = v.object({ id: v.string(), created: v.boolean(), state: v.picklist(TASK_STATES) });
export const CancelView = v.object({ id: v.string(), state: v.nullable(v.picklist(TASK_STATES)) });
export const RetryView = v.object({ ...CancelView.entries, retried: v.boolean(), held_by: v.optional(v.string()) });
export const LogView = v.object({
  at: v.number(),
  level: v.picklist(["debug", "info", "warn", "error"]),
  text: v.string(),
});
export const TaskAndLogView = v.object({ ...TaskView.entries, logs: v.array(LogView) });
export const PauseView = v.object({ kind: v.picklist(["queue", "type"]), name: v.string(), paused: v.boolean() });
