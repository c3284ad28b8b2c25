/**
 * What may be said of the tasks of a schedule: all that may be said of an enqueue, but for what belongs to one task
 * alone (its id, a point in time). The schemas and the defaults are those of an enqueue.
 */
import * as v from "valibot";
import { DurationSchema } from "../limits.ts";
import { optionsOfJson, TaskJsonSchema } from "../message/task-json.ts";
import { MAX_CRON_LENGTH } from "../times/cron.ts";
import { type EnqueueDefaults, withDefaults } from "./enqueue-defaults.ts";
import { type EnqueueOptions, EnqueueOptionsSchema, UniqueSchema } from "./enqueue-options.ts";

/**
 * What a run does while an earlier run of its schedule has not ended: it is left out, waits for that, or does not mind.
 */
export const OVERLAPS = ["skip", "queue", "allow"] as const;

export type Overlap = (typeof OVERLAPS)[number];

const MUST_BE_OVERLAP = `must be one of ${OVERLAPS.join(", ")}`;

export const OverlapSchema = v.picklist(OVERLAPS, MUST_BE_OVERLAP);

/** What is said with a schedule; it wins over the definition of the type. */
export interface ScheduleOptions extends Omit<EnqueueOptions, "id" | "at" | "deadlineAt"> {
  /** So long after it was enqueued each task must have ended, in ms. */
  readonly deadlineMs?: number | undefined;
}

/** What a definition says of its tasks when they are enqueued. How they run, their executor looks up. */
export type ScheduleDefaults = EnqueueDefaults & { readonly retentionMs?: number | undefined };

const { id: _id, at: _at, deadlineAt: _deadlineAt, ...options } = EnqueueOptionsSchema.entries;

export const ScheduleOptionsSchema = v.strictObject({ ...options, deadlineMs: v.optional(DurationSchema) });

export const ScheduleDefaultsSchema = v.object({
  queue: options.queue,
  priority: options.priority,
  delayMs: options.delayMs,
  deadlineMs: v.optional(DurationSchema),
  unique: v.optional(UniqueSchema),
  retentionMs: options.retentionMs,
});

const { type, payload, id: _jsonId, at: _jsonAt, deadline_at: _jsonDeadline, ...json } = TaskJsonSchema.entries;

/** When a schedule fires; whether it can be read is the calendar's (cron.ts). */
export const TimetableSchema = v.strictObject({
  cron: v.pipe(
    v.string("must be a string"),
    v.maxLength(MAX_CRON_LENGTH, `must be at most ${MAX_CRON_LENGTH} characters long`),
  ),
  timezone: v.optional(
    v.nullable(v.pipe(v.string("must be a string"), v.maxLength(100, "must be at most 100 characters long"))),
  ),
});

/** The keys of a schedule in the JSON of the API, beside its name. */
export const ScheduleJsonEntries = {
  ...TimetableSchema.entries,
  type,
  payload,
  overlap: v.optional(v.nullable(OverlapSchema)),
  ...json,
  deadline_ms: v.optional(DurationSchema),
};

const ScheduleJsonSchema = v.strictObject(ScheduleJsonEntries);

/** From that JSON to what is said of the tasks. */
export function scheduleOptionsOfJson(given: v.InferOutput<typeof ScheduleJsonSchema>): ScheduleOptions {
  const { cron: _cron, timezone: _timezone, overlap: _overlap, deadline_ms, ...task } = given;
  const { id: _, at: __, deadlineAt: ___, ...said } = optionsOfJson(task);
  return { ...said, deadlineMs: deadline_ms };
}

/** The defaults that a definition holds; null where there is no definition. */
export function scheduleDefaultsOf(definition: ScheduleDefaults | undefined): ScheduleDefaults | null {
  if (definition === undefined) return null;
  const { queue, priority, delayMs, deadlineMs, unique, retentionMs } = definition;
  return said({ queue, priority, delayMs, deadlineMs, unique, retentionMs });
}

/** The same as it comes back out of JSON: without what was not said. */
export function said<T extends object>(options: T): T {
  return JSON.parse(JSON.stringify(options));
}

/**
 * The options of one run: what was said with the schedule, then what the definition says. `now`: the broker's clock.
 */
export function runOptions(
  { deadlineMs, ...options }: ScheduleOptions,
  defaults: ScheduleDefaults | null,
  now: number,
): EnqueueOptions {
  const deadlineAt = deadlineMs === undefined ? undefined : now + deadlineMs;
  const { retentionMs, ...others } = defaults ?? {};
  return withDefaults({ ...options, deadlineAt, retentionMs: options.retentionMs ?? retentionMs }, others, now);
}

/** What holds where nobody said it: tasks that are unique do not pile up. */
export function overlapOf(overlap: Overlap | null, { unique }: EnqueueOptions): Overlap {
  return overlap ?? (unique === undefined || unique === null ? "allow" : "skip");
}
