/** A task on its way to the broker, as a trace tells of it. */
import type { TraceContext } from "./trace-context.ts";

export interface Sending {
  /** What the task carries along. */
  readonly trace: TraceContext;
  /** It has arrived, or never will; saying it again changes nothing. One that nobody says it of is not told. */
  ended(error?: unknown): void;
}

/** Tells the traces of tasks, where they are told, how it went when `send` has ended: over all of its tries. */
export async function sending<T>(
  tasks: readonly { readonly sending?: Sending | undefined }[],
  send: () => Promise<T>,
): Promise<T> {
  if (tasks[0]?.sending === undefined) return send();
  try {
    const sent = await send();
    for (const task of tasks) task.sending?.ended();
    return sent;
  } catch (error) {
    for (const task of tasks) task.sending?.ended(error);
    throw error;
  }
}
