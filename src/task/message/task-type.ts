/**
 * What whoever enqueues needs of a task's definition: its type and the schema of its payload. Any object that
 * `defineTask` made is one, and so is a plain `{ type, payload }`, so that programs need not load the handler itself.
 */
import type { EnqueueDefaults } from "../options/enqueue-defaults.ts";
import type { PayloadSchema } from "./payload-schema.ts";

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
