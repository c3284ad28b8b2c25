/** From what the user gave to a request that the broker takes: a new id where none was given, and every check. */
import { randomUUID } from "node:crypto";
import type { EnqueueRequest } from "../broker/broker.ts";
import { formatMessage, parseMessage } from "../task/message.ts";

export interface NewTask {
  readonly type: string;
  readonly payload: unknown;
  readonly id?: string | undefined;
  readonly queue: string;
  readonly priority: number;
}

export type RequestOrReason =
  | { readonly ok: true; readonly request: EnqueueRequest }
  | { readonly ok: false; readonly reason: string };

/** The request for a new task. What an executor would refuse is refused here already, with the same reason. */
export function requestFor(task: NewTask, retentionMs: number): RequestOrReason {
  const { type, payload, queue, priority } = task;
  const id = task.id ?? randomUUID().replaceAll("-", "");
  const message = formatMessage({ id, type, payload });
  const parsed = parseMessage(message);
  if (!parsed.ok) return parsed;
  return { ok: true, request: { id, type, queue, priority, message, retentionMs } };
}
