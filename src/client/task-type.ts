/**
 * What a client needs of a task's definition: its type and the schema of its payload. Any object that `defineTask` made
 * is one, and so is a plain `{ type, payload }`, so that programs need not load the handler itself.
 */
import type { KnownType } from "../operations/prepare.ts";
import { type PayloadSchema, refusalBySchema } from "../task/message/payload-schema.ts";
import type { EnqueueDefaults } from "../task/options/enqueue-defaults.ts";

export type { PayloadInput, PayloadSchema } from "../task/message/payload-schema.ts";

/** A task type whose payload is checked. */
export interface TypedTask<Schema extends PayloadSchema> extends EnqueueDefaults {
  readonly type: string;
  readonly payload?: Schema;
  readonly retentionMs?: number | undefined;
}

/** A task type that takes any payload. */
export interface UntypedTask extends EnqueueDefaults {
  readonly type: string;
  readonly payload?: undefined;
  readonly retentionMs?: number | undefined;
}

/** Any of them, or only the name of the type. */
export type AnyTask = string | UntypedTask | TypedTask<PayloadSchema>;

/** The name of the type. */
export function typeOf(task: AnyTask): string {
  return typeof task === "string" ? task : task.type;
}

/** What is known of it; undefined where there is only its name. */
export function knownOf(task: AnyTask): KnownType | undefined {
  if (typeof task === "string") return undefined;
  const { type, payload: schema } = task;
  if (schema === undefined) return { options: task };
  return { options: task, refuse: (payload) => refusalBySchema(type, schema, payload) };
}
