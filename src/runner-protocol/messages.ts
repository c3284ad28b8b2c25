/**
 * The messages of the runner protocol, version 1, as they stand on the wire: one JSON object a line, told apart by its
 * `kind`. Keys that are not known are let pass and dropped, so that either side may be newer than the other.
 */
import * as v from "valibot";
import { DurationSchema, MAX_DURATION_MS } from "../task/limits.ts";
import { JsonObjectSchema } from "../task/message/json-object.ts";
import { IdSchema, MAX_UNIQUE_KEY_LENGTH, TypeSchema } from "../task/message/message-schema.ts";
import { PrioritySchema, QueueNameSchema } from "../task/options/enqueue-options.ts";
import { BackoffSchema } from "../task/options/run-options.ts";
import { PROTOCOL } from "./limits.ts";

/** `run` numbers attempts and `ask` questions, each from 1 on each connection. */
const Number1 = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const run = { run: Number1 };
const ask = { ask: Number1 };
const WholeNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Text = v.string();
/** So many tasks are cancelled with one question. */
const MOST_IDS = 1_000;
/** How long the text may be that tells the holder of a lock apart. */
const MOST_OWNER_LENGTH = 512;

/** The answer to a question of either side: a value, or why there is none. */
const AnswerSchema = v.object({
  kind: v.literal("answer"),
  ...ask,
  value: v.optional(v.unknown()),
  error: v.optional(v.object({ code: Text, message: Text })),
});

const RunSchema = v.object({
  kind: v.literal("run"),
  ...run,
  task: v.object({
    id: IdSchema,
    type: TypeSchema,
    queue: Text,
    priority: WholeNumber,
    /** Unix ms on the broker's clock; null: not known. */
    queued_at: v.nullable(v.number()),
    /** The whole message, where another producer wrote it: it is the payload, too, and stands here alone. */
    message: v.optional(JsonObjectSchema),
  }),
  attempt: Number1,
  crashes: WholeNumber,
  payload: v.optional(v.unknown()),
  deadline_in_ms: v.optional(v.number()),
  /** The trace that it belongs to: `traceparent` of W3C Trace Context, and the `tracestate` beside it. */
  trace: v.optional(Text),
  tracestate: v.optional(Text),
  /** Whether `failed` is to say when the next attempt is due, where the handler has a function for that. */
  asks_for_delay: v.optional(v.boolean(), false),
});

const CancelSchema = v.object({
  kind: v.literal("cancel"),
  ...run,
  reason: v.picklist(["cancelled", "timeout", "deadline", "lost", "drain"]),
  grace_ms: DurationSchema,
});

/** What an executor says. */
export const ToRunnerSchema = v.variant("kind", [
  RunSchema,
  CancelSchema,
  v.object({
    kind: v.literal("lock_lost"),
    ...run,
    name: Text,
    /** Which holding of that name. */
    fence: v.optional(WholeNumber),
  }),
  v.object({ kind: v.literal("ping"), ...ask }),
  v.object({ kind: v.literal("tree"), ...ask }),
  v.object({ kind: v.literal("check"), ...ask, type: TypeSchema, payload: v.optional(v.unknown()) }),
  v.object({ kind: v.literal("snapshot"), ...ask, path: Text }),
  AnswerSchema,
  v.object({ kind: v.literal("stop") }),
]);

/** What a runner tells of one type: the manifest of its handler. */
const TypeManifestSchema = v.object({
  type: TypeSchema,
  /** Where it is defined, for messages. */
  file: v.optional(Text),
  attempts: v.optional(Number1),
  backoff: v.optional(BackoffSchema),
  crash_budget: v.optional(WholeNumber),
  timeout_ms: v.optional(DurationSchema),
  retention_ms: v.optional(DurationSchema),
  on_done: v.optional(TypeSchema),
  on_dead: v.optional(TypeSchema),
  on_cancelled: v.optional(TypeSchema),
  queue: v.optional(QueueNameSchema),
  priority: v.optional(PrioritySchema),
  delay_ms: v.optional(DurationSchema),
  deadline_ms: v.optional(DurationSchema),
  unique: v.optional(
    v.object({
      key: v.optional(v.pipe(Text, v.nonEmpty(), v.maxLength(MAX_UNIQUE_KEY_LENGTH))),
      for_ms: v.optional(
        v.union([v.literal("until-done"), v.pipe(v.number(), v.minValue(1), v.maxValue(MAX_DURATION_MS))]),
      ),
    }),
  ),
  isolation: v.optional(v.picklist(["shared", "own"])),
  /** False: it takes any payload, so that it need not be asked. */
  checks_payload: v.optional(v.boolean()),
  /** JSON Schema, where the schema of the handler gives one. */
  payload_schema: v.optional(JsonObjectSchema),
});

/** An error as it comes: of any size within its line, and bounded where it is kept. */
interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  readonly errors?: readonly WireError[] | undefined;
}

const WireErrorSchema: v.GenericSchema<WireError> = v.object({
  name: Text,
  message: Text,
  stack: v.optional(Text),
  errors: v.optional(v.array(v.lazy(() => WireErrorSchema))),
});

const HelloSchema = v.object({
  kind: v.literal("hello"),
  protocol: v.literal(PROTOCOL, `must be ${PROTOCOL}`),
  language: Text,
  pid: Number1,
  concurrency: v.optional(Number1),
  types: v.array(TypeManifestSchema),
  files: v.optional(v.array(Text)),
});

const FailedSchema = v.object({
  kind: v.literal("failed"),
  ...run,
  error: WireErrorSchema,
  retry: v.boolean(),
  retry_in_ms: v.optional(DurationSchema),
  /** It asks to come again, and no attempt is charged; `retry_in_ms` says when. */
  later: v.optional(v.boolean(), false),
});

/** What a runner says. */
export const FromRunnerSchema = v.variant("kind", [
  HelloSchema,
  v.object({ kind: v.literal("begun"), runs: v.array(Number1) }),
  v.object({
    kind: v.literal("progress"),
    ...run,
    value: v.pipe(v.number(), v.finite()),
    message: v.optional(Text, ""),
  }),
  v.object({
    kind: v.literal("log"),
    run: v.optional(Number1),
    level: v.picklist(["debug", "info", "warn", "error"]),
    text: Text,
    fields: v.optional(JsonObjectSchema),
  }),
  v.object({
    kind: v.literal("done"),
    ...run,
    result: v.optional(v.unknown()),
    /** Why there is no result although the handler gave one. */
    omitted: v.optional(Text),
  }),
  FailedSchema,
  v.object({
    kind: v.literal("stopped"),
    ...run,
    /** False: its handler was never called. */
    begun: v.optional(v.boolean(), true),
    /** After a timeout: when the next attempt is due, where the handler has a function for that. */
    retry_in_ms: v.optional(DurationSchema),
  }),
  v.object({
    kind: v.literal("enqueue"),
    ...ask,
    /** Whose handler asks: its task is the parent of these. Absent: they have none. */
    run: v.optional(Number1),
    tasks: v.array(v.unknown()),
    /** Of no run: for so long a broker that is away is waited for. */
    wait_ms: v.optional(DurationSchema),
  }),
  v.object({ kind: v.literal("task"), ...ask, id: IdSchema }),
  v.object({ kind: v.literal("cancel"), ...ask, ids: v.pipe(v.array(IdSchema), v.maxLength(MOST_IDS)) }),
  v.object({ kind: v.literal("lock"), ...ask, ...run, name: Text, ttl_ms: DurationSchema, wait_ms: DurationSchema }),
  v.object({
    kind: v.literal("unlock"),
    ...ask,
    ...run,
    name: Text,
    /** Which holding of that name; absent: whichever there is. */
    fence: v.optional(WholeNumber),
  }),
  v.object({
    kind: v.literal("hold"),
    ...ask,
    step: v.picklist(["take", "renew", "free"]),
    name: Text,
    /** Who holds it, told apart from every other holder. */
    owner: v.pipe(Text, v.minLength(1), v.maxLength(MOST_OWNER_LENGTH)),
    ttl_ms: DurationSchema,
  }),
  AnswerSchema,
]);

export type ToRunner = v.InferOutput<typeof ToRunnerSchema>;
export type FromRunner = v.InferOutput<typeof FromRunnerSchema>;
export type Hello = v.InferOutput<typeof HelloSchema>;
export type TypeManifest = v.InferOutput<typeof TypeManifestSchema>;
export type { WireError };
