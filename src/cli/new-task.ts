/** From what the user gave to a request that the broker takes: a new id where none was given, and every check. */
import type { EnqueueRequest } from "../broker/broker.ts";
import type { EnqueueOptions } from "../task/enqueue-options.ts";
import { InvalidTaskError, prepareTask, requestOf, type Surroundings } from "../task/new-task.ts";

export interface NewTask {
  readonly type: string;
  readonly payload: unknown;
  readonly id?: string | undefined;
  readonly queue: string;
  readonly priority: number;
  readonly options?: Omit<EnqueueOptions, "id" | "queue" | "priority">;
}

export type RequestOrReason =
  | { readonly ok: true; readonly request: EnqueueRequest }
  | { readonly ok: false; readonly reason: string };

/**
 * The request for a new task. What an executor would refuse is refused here already, with the same reason.
 *
 * @param now - the broker's clock, Unix ms.
 */
export function requestFor(
  task: NewTask,
  { retentionMs, priorities }: Omit<Surroundings, "now">,
  now: number,
): RequestOrReason {
  const { type, payload, options, id, queue, priority } = task;
  try {
    const prepared = prepareTask(type, payload, { ...options, id, queue, priority }, { now, retentionMs, priorities });
    return { ok: true, request: requestOf(prepared, now) };
  } catch (error) {
    if (error instanceof InvalidTaskError) return { ok: false, reason: error.message };
    throw error;
  }
}
