/** What a message says, and the bounds of it. */
import * as v from "valibot";
import { DurationSchema, TimestampSchema } from "../limits.ts";
import { runJsonEntries } from "../options/run-options.ts";
import type { TraceContext } from "../trace/trace-context.ts";
import { MAX_TYPE_LENGTH } from "./type-schema.ts";

export { MAX_TYPE_LENGTH, TypeSchema } from "./type-schema.ts";

/** The type of a message that names none, and of the handler that takes it. */
export const DEFAULT_TYPE = "default";

/** The type of the handler that takes whatever no other handler of its executor does. */
export const CATCH_ALL = "*";

/** The longest message that is run, in UTF-16 code units (about bytes for ASCII): 4 MiB. Longer ones end as dead. */
export const MAX_MESSAGE_LENGTH = 4 * 1024 * 1024;

/**
 * How deep a message may be nested: 500 levels. Deeper ones end as dead, since whoever reads a heartbeat, a record or
 * the message itself recurses into it, and some readers give up at 1 000.
 */
export const MAX_MESSAGE_DEPTH = 500;

/** The longest id, in UTF-16 code units. */
export const MAX_ID_LENGTH = 256;
export const MAX_UNIQUE_KEY_LENGTH = 512;

/** How many reasons of crashes travel with a task. */
export const MAX_CRASH_REASONS = 3;

export const IdSchema = v.pipe(
  v.string("must be a string"),
  v.nonEmpty("must not be empty"),
  v.maxLength(MAX_ID_LENGTH, `must be at most ${MAX_ID_LENGTH} characters long`),
  // Half a character cannot be written as UTF-8: it would be another id by the time it is looked for.
  v.check((id) => id.isWellFormed(), "must be text without halves of characters"),
);

/** Options of one task, all optional; what is absent comes from the handler, then from the configuration. */
export const TaskOptionsSchema = v.looseObject({
  /** Which attempt the next run is, from 1. Written by the broker when it queues a retry. */
  attempt: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
  /** How often it met an executor that does not know its type. Written by the broker, as `attempt` is. */
  unknown_type: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
  /** How often in a row its handler asked for it to be tried later. Written by the broker, as `attempt` is. */
  retry_later: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
  /** How often the process died that ran it alone. Written by the broker, as `attempt` is; so are the next three. */
  crashes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
  /** What those died of: the last different reasons. */
  crash_reasons: v.optional(v.pipe(v.array(v.string()), v.maxLength(MAX_CRASH_REASONS))),
  /** How often a process died over it, alone or not, since an attempt last ended by itself. */
  deaths: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
  /** A suspect: so many at most may run beside it. */
  company: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  /** How many errors its record has been given. Written by the broker, as `attempt` is. */
  failures: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
  ...runJsonEntries("message"),
  /** When the task must have ended, Unix ms on the broker's clock. */
  deadline_at: v.optional(TimestampSchema),
  /** How long `unique_key` is held from the enqueue on, in ms; absent: until the task has ended. */
  unique_for_ms: v.optional(DurationSchema),
  /** The key that this task holds. */
  unique_key: v.optional(v.pipe(v.string(), v.nonEmpty(), v.maxLength(MAX_UNIQUE_KEY_LENGTH))),
  /** The id of the task whose handler enqueued this one. */
  parent: v.optional(IdSchema),
  /** The id of the ended task that this one follows (`on_done` and the like), or the task that enqueued it. */
  follows: v.optional(IdSchema),
});

export type TaskOptions = v.InferOutput<typeof TaskOptionsSchema>;

/** Those of a message that says none. */
export const NO_OPTIONS: TaskOptions = Object.freeze({});

/** That of a message: some producers write an empty one where they have none. */
const TypeOrNoneSchema = v.pipe(
  v.string("must be a string"),
  v.maxLength(MAX_TYPE_LENGTH, `must be at most ${MAX_TYPE_LENGTH} characters long`),
  v.check((type) => type.isWellFormed(), "must be text without halves of characters"),
);

/** What every message must have; other keys are not looked at, and kept. */
export const MessageSchema = v.object({
  id: IdSchema,
  task_type: v.optional(v.nullable(TypeOrNoneSchema)),
  taskexe: v.optional(TaskOptionsSchema),
});

/** A message that can be run. */
export interface TaskMessage {
  readonly id: string;
  readonly type: string;
  /** What the handler gets: `payload` of our own messages, the whole message of foreign ones. */
  readonly payload: unknown;
  /** The same as text, as it came but for line breaks between its tokens. Looked for only where it is asked for. */
  readonly payloadText: string;
  readonly options: TaskOptions;
  /** The trace that whoever enqueued it was in; null: none. */
  readonly trace: TraceContext | null;
  /** True for a message that another producer wrote (it has no `payload` key). */
  readonly foreign: boolean;
  /** The whole message as it came, for heartbeats. */
  readonly fields: Readonly<Record<string, unknown>>;
}
