/** What the API takes, as schemas: names as they stand in the JSON. What it gives is in operations/views. */
import * as v from "valibot";
import { MAX_ENQUEUE_BATCH } from "../../broker/broker.ts";
import { MAX_ADMINISTRATION_BATCH } from "../../broker/contract/admin.ts";
import { MAX_LISTED_SCHEDULES } from "../../broker/schedule-list.ts";
import { CursorSchema, FILTERS, hasCondition, MUST_BE_OBJECT } from "../../operations/filters.ts";
import { DEFAULT_PAGE } from "../../operations/pages.ts";
import { PAUSE_NAMES } from "../../operations/pauses.ts";
import { ScheduleNameSchema } from "../../operations/schedules/put-schedule.ts";
import { MAX_QUERY_LENGTH } from "../../operations/search/task-query.ts";
import { DurationSchema } from "../../task/limits.ts";
import { MessageSchema } from "../../task/message/message-schema.ts";
import { TaskJsonSchema } from "../../task/message/task-json.ts";
import { PrioritySchema } from "../../task/options/enqueue-options.ts";
import { ScheduleJsonEntries } from "../../task/options/schedule-options.ts";
import { TimeJsonSchema } from "../../task/times/times.ts";

export const TaskId = MessageSchema.entries.id;

const LIMIT = `must be 1 to ${MAX_ADMINISTRATION_BATCH}`;

/** The query of a list. */
export const ListQuerySchema = v.strictObject({
  ...FILTERS.list,
  /** Those that other programs have queued, or all others. */
  foreign: v.optional(
    v.pipe(
      v.picklist(["true", "false"], "must be true or false"),
      v.transform((text) => text === "true"),
    ),
  ),
  /** As operations/search/task-query.ts has it: `type:mail.* error:timeout run>5m`. */
  q: v.optional(v.pipe(v.string(), v.maxLength(MAX_QUERY_LENGTH, `must be at most ${MAX_QUERY_LENGTH} characters`))),
  limit: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,4}$/, LIMIT),
      v.transform(Number),
      v.pipe(v.number(), v.integer(), v.minValue(1, LIMIT), v.maxValue(MAX_ADMINISTRATION_BATCH, LIMIT)),
    ),
    String(DEFAULT_PAGE),
  ),
  cursor: v.optional(CursorSchema),
});

const many = <Item extends v.GenericSchema>(item: Item, most: number) =>
  v.pipe(
    v.array(item, "must be an array"),
    v.minLength(1, "must not be empty"),
    v.maxLength(most, `must be at most ${most}`),
  );

/** As route.ts has it of whole bodies: an array is no task, though a schema of an object would take it for one. */
const NewTask = v.lazy((task) =>
  Array.isArray(task) ? v.custom<v.InferOutput<typeof TaskJsonSchema>>(() => false, MUST_BE_OBJECT) : TaskJsonSchema,
);

export const NewTasksSchema = v.strictObject({ tasks: many(NewTask, MAX_ENQUEUE_BATCH) });

/** The same as it is described. */
export const DescribedTasksSchema = v.strictObject({ tasks: many(TaskJsonSchema, MAX_ENQUEUE_BATCH) });

const ids = v.optional(many(TaskId, MAX_ADMINISTRATION_BATCH));

/** Nothing is changed: what matches is counted. */
const dry_run = v.optional(v.boolean("must be true or false"));

export const CancelSchema = v.pipe(
  v.strictObject({ ids, dry_run, ...FILTERS.cancel }),
  v.check(
    ({ ids, dry_run: isDry, ...filter }) =>
      ids === undefined ? hasCondition(filter) : !isDry && !hasCondition(filter),
    "give either ids, or a type or a queue",
  ),
);

export const PromoteSchema = v.pipe(
  v.strictObject({ ids, dry_run, ...FILTERS.promote }),
  v.check(
    ({ ids, dry_run: isDry, ...filter }) =>
      ids === undefined ? hasCondition(filter) : !isDry && !hasCondition(filter),
    "give either ids, or a type or a queue",
  ),
);

export const RetrySchema = v.pipe(
  v.strictObject({ ids, dry_run, ...FILTERS.retry }),
  v.check(
    ({ ids, dry_run: isDry, ...filter }) =>
      ids === undefined ? hasCondition(filter) : !isDry && !hasCondition(filter),
    "give either ids, or a type, a queue or a state",
  ),
);

export const PurgeSchema = v.strictObject({ dry_run, ...FILTERS.purge });

/** A change of a task that waits; what is absent stays. */
export const EditSchema = v.pipe(
  v.strictObject({
    payload: v.optional(v.unknown()),
    priority: v.optional(PrioritySchema),
    at: v.optional(TimeJsonSchema),
    delay_ms: v.optional(DurationSchema),
  }),
  v.check((change) => Object.keys(change).length > 0, "give a payload, a priority, at or delay_ms"),
);

/** The body of a retry; none is needed. */
export const RetryOneSchema = v.strictObject({ payload: v.optional(v.unknown()) });

export const ScheduleSchema = v.strictObject(ScheduleJsonEntries);

export const IdParams = v.strictObject({ id: TaskId });
export const QueueParams = v.strictObject({ name: PAUSE_NAMES.queue });
export const TypeParams = v.strictObject({ name: PAUSE_NAMES.type });
const SCHEDULE_LIMIT = `must be 1 to ${MAX_LISTED_SCHEDULES}`;

/** The query of a list of schedules. */
export const ScheduleListSchema = v.strictObject({
  limit: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,4}$/, SCHEDULE_LIMIT),
      v.transform(Number),
      v.pipe(v.number(), v.minValue(1, SCHEDULE_LIMIT), v.maxValue(MAX_LISTED_SCHEDULES, SCHEDULE_LIMIT)),
    ),
    String(MAX_LISTED_SCHEDULES),
  ),
  cursor: v.optional(ScheduleNameSchema),
});

export const ScheduleParams = v.strictObject({ name: ScheduleNameSchema });
