/**
 * A new task as JSON, names as they stand there: what the HTTP API takes, and each line of `enqueue --jsonl`. Times are
 * Unix ms or text with a zone (times.ts).
 */
import * as v from "valibot";
import { type EnqueueOptions, EnqueueOptionsSchema, UniqueSchema } from "../options/enqueue-options.ts";
import { runJsonEntries, runOptionsOfJson } from "../options/run-options.ts";
import { TimeJsonSchema } from "../times/times.ts";
import { TypeSchema } from "./message-schema.ts";

const options = EnqueueOptionsSchema.entries;

/** One task to enqueue. */
export const TaskJsonSchema = v.strictObject({
  type: TypeSchema,
  payload: v.optional(v.unknown()),
  id: options.id,
  queue: options.queue,
  priority: options.priority,
  ...runJsonEntries("schema"),
  deadline_at: v.optional(TimeJsonSchema),
  delay_ms: options.delayMs,
  at: v.optional(TimeJsonSchema),
  unique: v.optional(v.nullable(v.strictObject({ key: UniqueSchema.entries.key, for_ms: UniqueSchema.entries.forMs }))),
});

export type TaskJson = v.InferOutput<typeof TaskJsonSchema>;

/** The same as options of an enqueue. */
export function optionsOfJson(task: TaskJson): EnqueueOptions {
  return {
    id: task.id,
    queue: task.queue,
    priority: task.priority,
    ...runOptionsOfJson(task),
    deadlineAt: task.deadline_at,
    delayMs: task.delay_ms,
    at: task.at,
    unique: task.unique && { key: task.unique.key, forMs: task.unique.for_ms },
  };
}
