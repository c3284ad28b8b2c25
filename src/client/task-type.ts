/** What a client knows of a task's definition that it has in hand. */
import type { KnownType } from "../operations/prepare.ts";
import { refusalBySchema } from "../task/message/payload-schema.ts";
import { type AnyTask, typeOf } from "../task/message/task-type.ts";

export type { PayloadInput, PayloadSchema } from "../task/message/payload-schema.ts";
export { type AnyTask, type TypedTask, typeOf, type UntypedTask } from "../task/message/task-type.ts";

/** What is known of it; undefined where there is only its name. */
export function knownOf(task: AnyTask): KnownType | undefined {
  if (typeof task === "string") return undefined;
  const { type, payload: schema } = task;
  if (schema === undefined) return { options: task };
  return { options: task, refuse: (payload) => refusalBySchema(type, schema, payload) };
}

/** The same of a definition, whatever type is asked for; of none nothing is known. */
export function knownBy(task: AnyTask | undefined): (type: string) => KnownType | undefined {
  const known = task === undefined ? undefined : knownOf(task);
  return (type) => (task !== undefined && typeOf(task) === type ? known : undefined);
}

/** Another payload for tasks that are retried. */
export interface NewPayload {
  readonly payload: unknown;
  /** Their definition: the payload is checked against its schema. */
  readonly task?: AnyTask;
}
