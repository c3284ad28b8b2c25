/**
 * What users write: a handler, defined by `defineTask`. Types flow from the payload schema to `run`.
 * This file holds the shapes and the check of a definition; the registry and the loading of files are elsewhere.
 */
import * as v from "valibot";
import type { CancelScope, Nursery } from "../concurrency/index.ts";
import { isObject, read } from "../concurrency/unknown-values.ts";
import { DurationSchema } from "../task/limits.ts";
import type { HeldLock, LockOptions } from "../task/lock/lock.ts";
import { MAX_TYPE_LENGTH } from "../task/message/message-schema.ts";
import {
  isPayloadSchema,
  type PayloadInput,
  type PayloadOutput,
  type PayloadSchema,
} from "../task/message/payload-schema.ts";
import type { TypedTask, UntypedTask } from "../task/message/task-type.ts";
import type { EnqueueDefaults } from "../task/options/enqueue-defaults.ts";
import { type EnqueueOptions, PrioritySchema, QueueNameSchema, UniqueSchema } from "../task/options/enqueue-options.ts";
import { type Backoff, BackoffSchema, type RunOptions, runEntries } from "../task/options/run-options.ts";
import type { TaskState } from "../task/state.ts";

/** The task that an attempt runs, as handlers see it. */
export interface TaskInfo {
  readonly id: string;
  readonly type: string;
  readonly queue: string;
  readonly priority: number;
  /** When the entry was queued, Unix ms on the broker's clock; null when unknown. */
  readonly queuedAt: number | null;
  /** The whole message as it came. */
  readonly message: Readonly<Record<string, unknown>>;
}

/** Writes log lines that carry the task's id and type. */
export interface TaskLog {
  debug(message: string, properties?: Readonly<Record<string, unknown>>): void;
  info(message: string, properties?: Readonly<Record<string, unknown>>): void;
  warn(message: string, properties?: Readonly<Record<string, unknown>>): void;
  error(message: string, properties?: Readonly<Record<string, unknown>>): void;
}

export type TaskLogLevel = keyof TaskLog;

/** What `run` is given. */
export interface TaskContext<Payload = unknown> {
  readonly payload: Payload;
  readonly task: TaskInfo;
  /** Which attempt this is, from 1. */
  readonly attempt: number;
  /** The trace that this attempt belongs to, as W3C Trace Context writes it; null: none. */
  readonly traceparent: string | null;
  /** What other systems say of that trace; null: nothing. */
  readonly tracestate: string | null;
  /** Aborted once the task is cancelled, timed out, or the executor must hand it back. */
  readonly signal: AbortSignal;
  readonly scope: CancelScope;
  /** Children started here end before the attempt ends. */
  readonly nursery: Nursery;
  /**
   * Tells how far the task is: 0..1, or -1 for failed, with a message for its log. Writes are gathered to a few a
   * second. Rejects with the cancel once the task is cancelled.
   */
  progress(value: number, message?: string): Promise<void>;
  readonly log: TaskLog;
  /**
   * Enqueues a task through the executor, with this one recorded as its parent. What its definition says (queue, delay,
   * a unique key) holds where `options` says nothing. While the broker is away it is waited for.
   *
   * @param task - a definition, or the name of a type.
   * @throws (rejects) InvalidTaskError where the task could not be run; RefusedEnqueueError where this attempt has
   *   ended or lost its lease, or 10 000 enqueues are not answered yet.
   */
  readonly enqueue: Enqueue;
  /**
   * Holds a lock of the whole fleet for a block: one holder of a name at a time. The executor renews it while the block
   * runs; when it is lost, the block's scope is cancelled. `lock.fence` is larger than that of every holder before.
   *
   * @throws (rejects) LockNotTakenError where another held it for `waitMs`; LockLostError where it was lost before the
   *   block had ended; LockRefusedError where this attempt has ended, has lost its lease, or holds 100 already; what
   *   the block throws; RangeError; the cancel of the scope.
   */
  lock<T>(name: string, options: TaskLockOptions, body: (lock: HeldLock) => Promise<T> | T): Promise<T>;
}

export interface TaskLockOptions extends LockOptions {
  /** In which the block runs: its cancel ends the wait, and the block. Default: that of the attempt. */
  readonly scope?: CancelScope | undefined;
}

/** What became of an enqueue. */
export interface EnqueuedTask {
  readonly id: string;
  /** False where a task of that id was there already, or another one holds its unique key: `id` is then that one's. */
  readonly created: boolean;
  /** Its state now. */
  readonly state: TaskState;
}

/** See `enqueue` of {@link TaskContext}. */
export interface Enqueue {
  <Schema extends PayloadSchema>(
    task: TypedTask<Schema>,
    payload: PayloadInput<Schema>,
    options?: EnqueueOptions,
  ): Promise<EnqueuedTask>;
  (task: string | UntypedTask, payload?: unknown, options?: EnqueueOptions): Promise<EnqueuedTask>;
}

export type { PayloadSchema };

/**
 * The definition of one task type. `queue`, `priority`, `delayMs`, `deadlineMs` and `unique` hold for tasks that are
 * enqueued by it: by a client that has it in hand, or through the HTTP API of an executor that has loaded it.
 */
export interface TaskDefinition<Schema extends PayloadSchema | undefined = PayloadSchema | undefined>
  extends EnqueueDefaults,
    Omit<RunOptions, "backoff"> {
  /**
   * The `task_type` of its messages; `default` takes messages that have none, `*` whatever no other handler of its
   * executor takes (the task says its type: `context.task.type`).
   */
  readonly type: string;
  /**
   * A schema of valibot, zod, arktype or another library with the Standard Schema interface. Every payload passes it
   * before `run` sees it; a payload that it refuses fails and is not retried.
   */
  readonly payload?: Schema;
  /** `own`: each attempt alone in its runner; `shared`: beside others. Default: the setting `isolation`. */
  readonly isolation?: "shared" | "own";
  /** A backoff, or a function of the failed attempt (from 1) and its error that gives the delay in ms. */
  readonly backoff?: Backoff | ((attempt: number, error: unknown) => number);
  /** Does the work. What it returns (any JSON value) is the result; what it throws is the failure. */
  run(context: TaskContext<Schema extends PayloadSchema ? PayloadOutput<Schema> : unknown>): unknown;
}

const DEFINED = Symbol.for("taskexe.definition");

// Strict, since handler files run without a type check: a misspelt key must not be a setting that silently is not set.
const DefinitionSchema = v.strictObject({
  type: v.pipe(
    v.string("must be a string"),
    v.nonEmpty("must not be empty"),
    v.maxLength(MAX_TYPE_LENGTH, `must be at most ${MAX_TYPE_LENGTH} characters long`),
  ),
  payload: v.optional(
    v.custom<PayloadSchema>(
      isPayloadSchema,
      "must be a schema of valibot, zod, arktype or another Standard Schema library",
    ),
  ),
  ...runEntries("definition"),
  backoff: v.optional(v.lazy((given) => (typeof given === "function" ? v.function() : BackoffSchema))),
  isolation: v.optional(v.picklist(["shared", "own"], 'must be "shared" or "own"')),
  queue: v.optional(QueueNameSchema),
  priority: v.optional(PrioritySchema),
  delayMs: v.optional(DurationSchema),
  deadlineMs: v.optional(DurationSchema),
  unique: v.optional(UniqueSchema),
  run: v.function("must be a function"),
});

/**
 * Defines a task type. The definition is frozen and given back.
 *
 * @throws TypeError when the definition is not one (no type, no run, an unknown key, a payload that is no
 *   schema); it names the type, the key and what is expected there.
 */
export function defineTask<const Schema extends PayloadSchema | undefined = undefined>(
  definition: TaskDefinition<Schema>,
): TaskDefinition<Schema> {
  const checked = v.safeParse(DefinitionSchema, definition);
  if (!checked.success) throw new TypeError(refusal(definition, checked.issues[0]));
  return Object.freeze(Object.assign(definition, { [DEFINED]: true }));
}

function refusal(definition: unknown, issue: v.BaseIssue<unknown>): string {
  if (typeof definition !== "object" || definition === null) {
    return `defineTask takes an object { type, run, ... }, got ${issue.received}`;
  }
  const type = "type" in definition && typeof definition.type === "string" ? ` of "${definition.type}"` : "";
  const key = v.getDotPath(issue) ?? "definition";
  const top = issue.path?.[0]?.key;
  if (issue.expected === "never") return `defineTask${type}: unknown key "${key}"; known are ${KEYS.join(", ")}`;
  if (typeof top === "string" && !(top in definition)) return `defineTask${type}: "${top}" is missing`;
  return `defineTask${type}: "${key}" ${issue.message}, got ${issue.received}`;
}

const KEYS = Object.keys(DefinitionSchema.entries);

/** Tells whether a value came out of defineTask, whichever copy of this package made it. */
export function isTaskDefinition(value: unknown): value is TaskDefinition {
  return isObject(value) && read(value, DEFINED) === true;
}
