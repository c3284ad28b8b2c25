/** From what the user gave to a task that is ready to be sent: a new id where none was given, and every check. */
import { withDefaults } from "../../task/enqueue-defaults.ts";
import { InvalidTaskError, type PreparedTask, prepareTask, type Surroundings } from "../../task/new-task.ts";
import type { TaskFlagValues } from "./task-arguments.ts";

export interface NewTask {
  readonly type: string;
  readonly payload: unknown;
  readonly id?: string | undefined;
  readonly queue: string;
  readonly priority: number;
  readonly options?: Omit<TaskFlagValues, "id" | "queue" | "priority">;
}

export type TaskOrReason =
  | { readonly ok: true; readonly task: PreparedTask }
  | { readonly ok: false; readonly reason: string };

/**
 * The new task. What an executor would refuse is refused here already, with the same reason.
 *
 * @param surroundings - `now` is the broker's clock.
 */
export function preparedOf(task: NewTask, { now, retentionMs, priorities }: Surroundings): TaskOrReason {
  const { type, payload, options: { deadlineMs, ...options } = {}, id, queue, priority } = task;
  try {
    const all = withDefaults({ ...options, id, queue, priority }, { deadlineMs }, now);
    return { ok: true, task: prepareTask(type, payload, all, { now, retentionMs, priorities }) };
  } catch (error) {
    if (error instanceof InvalidTaskError) return { ok: false, reason: error.message };
    throw error;
  }
}
