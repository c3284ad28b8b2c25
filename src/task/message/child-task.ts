/**
 * A task that a handler enqueues, on its way to the executor: the JSON of a new task (task-json.ts), and beside it what
 * its definition says of a deadline, which counts on the broker's clock. Made where the handler runs, and checked where
 * it is enqueued.
 */
import * as v from "valibot";
import { isObject } from "../../concurrency/unknown-values.ts";
import { DurationSchema } from "../limits.ts";
import { type EnqueueOptions, optionIssues } from "../options/enqueue-options.ts";
import { runOptionsToJson } from "../options/run-options.ts";
import type { JsonText } from "../text/json-text.ts";
import { activeTrace } from "../trace/active-trace.ts";
import { type TraceContext, traceOf } from "../trace/trace-context.ts";
import { InvalidTaskError, PayloadRefusedError, payloadText, told } from "./new-task.ts";
import { refusalBySchema } from "./payload-schema.ts";
import { optionsOfJson, TaskJsonSchema } from "./task-json.ts";
import { type AnyTask, typeOf } from "./task-type.ts";

export const ChildTaskSchema = v.strictObject({
  ...TaskJsonSchema.entries,
  deadline_ms: v.optional(DurationSchema),
  /** The trace that the asking code is in, `{traceparent, tracestate?}`; what is none is ignored. */
  trace: v.optional(v.unknown()),
});

export type ChildTask = v.InferOutput<typeof ChildTaskSchema>;

/** One that is made: its payload is text. */
export interface WrittenChild {
  /** All but the payload. */
  readonly head: Omit<ChildTask, "payload">;
  readonly payload: JsonText;
}

/**
 * What a handler asks for, as JSON. A definition that it has in hand says its defaults, and checks the payload.
 *
 * @throws (rejects) InvalidTaskError where the options or the payload are none.
 */
export async function writeChild(task: AnyTask, payload: unknown, options: EnqueueOptions = {}): Promise<WrittenChild> {
  // Handler files run without a type check.
  if (!isObject(options)) throw new InvalidTaskError(`the options of an enqueue are an object, got ${typeof options}`);
  const issues = optionIssues(options);
  if (issues !== null) throw new InvalidTaskError(told(issues));
  const written = payloadText(payload);
  await checkPayload(task, written);
  const defaults: Exclude<AnyTask, string> = typeof task === "string" ? { type: task } : task;
  const { deadlineAt, at, unique = defaults.unique } = options;
  const { delayMs = at === undefined ? defaults.delayMs : undefined } = options;
  const deadlineMs = deadlineAt === undefined ? defaults.deadlineMs : undefined;
  const head = {
    type: typeOf(task),
    id: options.id,
    queue: options.queue ?? defaults.queue,
    priority: options.priority ?? defaults.priority,
    ...runOptionsToJson({ ...options, retentionMs: options.retentionMs ?? defaults.retentionMs }),
    deadline_at: deadlineAt === undefined ? undefined : Number(deadlineAt),
    deadline_ms: deadlineMs,
    delay_ms: delayMs,
    at: at === undefined ? undefined : Number(at),
    unique: unique && { key: unique.key, for_ms: unique.forMs },
    trace: activeTrace() ?? undefined,
  };
  return { head, payload: written };
}

/**
 * The options of one that has come.
 *
 * @throws InvalidTaskError where it is none.
 */
export function readChild(given: unknown): {
  readonly type: string;
  readonly payload: unknown;
  readonly options: EnqueueOptions & { readonly deadlineMs?: number };
  readonly trace: TraceContext | null;
} {
  const checked = v.safeParse(ChildTaskSchema, given);
  if (!checked.success) throw new InvalidTaskError(told(checked.issues));
  const { deadline_ms: deadlineMs, trace: said, ...task } = checked.output;
  const options = optionsOfJson(task);
  const { type, payload } = task;
  const trace = traceOf(said);
  return { type, payload, options: deadlineMs === undefined ? options : { ...options, deadlineMs }, trace };
}

async function checkPayload(task: AnyTask, written: JsonText): Promise<void> {
  if (typeof task === "string" || task.payload === undefined) return;
  const refusal = await refusalBySchema(task.type, task.payload, written.value());
  if (refusal !== null) throw new PayloadRefusedError(refusal);
}
