/**
 * What a client needs of a task's definition: its type and the schema of its payload. Any object that `defineTask` made
 * is one, and so is a plain `{ type, payload }`, so that programs need not load the handler itself.
 */
import * as v from "valibot";
import type { EnqueueDefaults } from "../task/enqueue-defaults.ts";
import { InvalidTaskError } from "../task/new-task.ts";
import { checkBySchema, type PayloadCheck, type PayloadSchema } from "../task/payload-schema.ts";

export type { PayloadInput, PayloadSchema } from "../task/payload-schema.ts";

/** A task type whose payload is checked. */
export interface TypedTask<Schema extends PayloadSchema> extends EnqueueDefaults {
  readonly type: string;
  readonly payload?: Schema;
  readonly retentionMs?: number;
}

/** A task type that takes any payload. */
export interface UntypedTask extends EnqueueDefaults {
  readonly type: string;
  readonly payload?: undefined;
  readonly retentionMs?: number;
}

/** Any of them, or only the name of the type. */
export type AnyTask = string | UntypedTask | TypedTask<PayloadSchema>;

/** The name of the type. */
export function typeOf(task: AnyTask): string {
  return typeof task === "string" ? task : task.type;
}

/**
 * Checks a payload as the executor will see it, after its way through JSON. Gives a promise only where the schema is
 * one that takes its time.
 *
 * @param message - the message that holds it.
 * @throws InvalidTaskError with each place that the schema refuses.
 */
export function checkPayload(task: AnyTask, message: string): Promise<void> | undefined {
  if (typeof task === "string" || task.payload === undefined) return undefined;
  const { type, payload: schema } = task;
  const { payload } = v.parse(MessagePayload, JSON.parse(message));
  const checked = checkBySchema(schema, payload);
  if (checked instanceof Promise) return checked.then((later) => refuse(type, later));
  refuse(type, checked);
  return undefined;
}

const MessagePayload = v.object({ payload: v.unknown() });

function refuse(type: string, checked: PayloadCheck): void {
  if (checked.ok) return;
  const places = checked.issues.map(({ path, words }) => `${path === "" ? "payload" : `payload.${path}`}: ${words}`);
  throw new InvalidTaskError(`the payload is not one that "${type}" takes: ${places.join("; ")}`);
}
