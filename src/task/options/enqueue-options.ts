/**
 * What may be said of a task when it is enqueued, beside its type and payload: the one schema behind the client, the
 * command line and HTTP. Turning it into a request is new-task.ts.
 */
import * as v from "valibot";
import { DurationSchema, MAX_DURATION_MS } from "../limits.ts";
import { MAX_UNIQUE_KEY_LENGTH, MessageSchema } from "../message/message-schema.ts";
import { TimeSchema } from "../times/times.ts";
import { type RunOptions, runEntries } from "./run-options.ts";

/** The queue of tasks that name none. */
export const DEFAULT_QUEUE = "common";

const UNTIL_DONE = "until-done";
const HOLD = `must be a number of ms from 1 to ${MAX_DURATION_MS} (100 years), or "${UNTIL_DONE}"`;

/** Names that queues may have already, as other producers call them: they stand in keys, paths and flags. */
export const KnownQueueSchema = v.pipe(
  v.string("must be a string"),
  v.regex(/^[\w.-]{1,128}$/, "must be letters, digits, dot, dash and underscore, at most 128 of them"),
);

/** Names of queues that we put tasks into: a stream must not be called as the flag of a cancelled task is. */
export const QueueNameSchema = v.pipe(
  KnownQueueSchema,
  v.check((name) => !name.endsWith("-cancel"), 'must not end in "-cancel", as the flags of cancelled tasks do'),
);

/** How many priorities a fleet has where nobody says other, and how many it can have. */
export const DEFAULT_PRIORITIES = 2;
export const MAX_PRIORITIES = 10;

const PRIORITY = `must be a whole number from 0 (ordinary) to ${MAX_PRIORITIES - 1} (most urgent)`;

/** 0 is ordinary, larger is more urgent. How many there are is the fleet's setting. */
export const PrioritySchema = v.pipe(
  v.number(PRIORITY),
  v.integer(PRIORITY),
  v.minValue(0, PRIORITY),
  v.maxValue(MAX_PRIORITIES - 1, PRIORITY),
);

export const UniqueSchema = v.strictObject({
  key: v.optional(
    v.pipe(
      v.string("must be a string"),
      v.nonEmpty("must not be empty"),
      v.maxLength(MAX_UNIQUE_KEY_LENGTH, `must be at most ${MAX_UNIQUE_KEY_LENGTH} characters long`),
      v.check((key) => key.isWellFormed(), "must be text without halves of characters"),
    ),
  ),
  forMs: v.optional(
    v.union([v.literal(UNTIL_DONE), v.pipe(v.number(), v.minValue(1, HOLD), v.maxValue(MAX_DURATION_MS, HOLD))], HOLD),
  ),
});

export const EnqueueOptionsSchema = v.pipe(
  v.strictObject({
    id: v.optional(MessageSchema.entries.id),
    queue: v.optional(QueueNameSchema),
    priority: v.optional(PrioritySchema),
    ...runEntries("schema"),
    deadlineAt: v.optional(TimeSchema),
    delayMs: v.optional(DurationSchema),
    at: v.optional(TimeSchema),
    unique: v.optional(v.nullable(UniqueSchema)),
  }),
  v.check(({ delayMs, at }) => delayMs === undefined || at === undefined, "a delay and a time (at) exclude each other"),
);

const ENTRIES: Readonly<Record<string, v.GenericSchema | undefined>> = EnqueueOptionsSchema.entries;

/** The names of all options. */
export const OPTION_NAMES: ReadonlySet<string> = new Set(Object.keys(ENTRIES));

/**
 * What is wrong in options; null: nothing. The schema decides; options that say one thing are not held against all that
 * there is.
 */
export function optionIssues(options: EnqueueOptions): readonly v.BaseIssue<unknown>[] | null {
  return allFit(options) ? null : (v.safeParse(EnqueueOptionsSchema, options).issues ?? null);
}

/** Whether each option that is said is one that its schema takes; false, too, where the whole is to be looked at. */
function allFit(options: EnqueueOptions): boolean {
  // Rules about several options stand in the schema alone.
  if (options.at !== undefined && options.delayMs !== undefined) return false;
  const said: Readonly<Record<string, unknown>> = { ...options };
  for (const key of Object.keys(said)) {
    const entry = Object.hasOwn(ENTRIES, key) ? ENTRIES[key] : undefined;
    if (entry === undefined || !v.is(entry, said[key])) return false;
  }
  return true;
}

/**
 * How a task is to be enqueued; whatever is absent has its default. Times are Unix ms on the broker's clock, 2000 to
 * 2099.
 */
export interface EnqueueOptions extends RunOptions {
  /** Enqueueing the same id again changes nothing. Default: a new one. */
  readonly id?: string | undefined;
  /** Default `common`. */
  readonly queue?: string | undefined;
  /** 0 is ordinary (the default), larger is more urgent; less than the fleet's number of priorities (2 by default). */
  readonly priority?: number | undefined;
  /** When the task must have ended; not before it is to be queued. Default: never. */
  readonly deadlineAt?: Date | number | undefined;
  /** Wait this long before it is queued, in ms. */
  readonly delayMs?: number | undefined;
  /** Queue it then; a time that has passed is now. */
  readonly at?: Date | number | undefined;
  /**
   * Enqueue it only where no other task holds the key: the receipt then names the holder. Null: not unique, whatever
   * its definition says.
   */
  readonly unique?: Unique | null | undefined;
}

export interface Unique {
  /** Default: made of the type and the payload. Unique in the queue. */
  readonly key?: string | undefined;
  /** How long the key is held, in ms, or until the task has ended (the default). */
  readonly forMs?: number | "until-done" | undefined;
}
