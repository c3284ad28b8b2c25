/**
 * Tasks that the handler of another one enqueues: prepared as any other, with that one as their parent. What the
 * definition of their type says holds where this executor has loaded it.
 */
import type { Broker, EnqueueReceipt } from "../broker/broker.ts";
import { readChild } from "../task/message/child-task.ts";
import { InvalidTaskError, type PreparedTask, refusedAt } from "../task/message/new-task.ts";
import type { TraceContext } from "../task/trace/trace-context.ts";
import { type KnownType, type Preparation, prepare, type ReadyTask, requestsOf } from "./prepare.ts";

export interface ChildrenOf {
  /** The id of the task whose handler asks; undefined: none does. */
  readonly parent: string | undefined;
  /** The id of the ended task that that one follows: nothing follows what it enqueues, either. */
  readonly follows?: string | undefined;
  /** The trace of that one, for those that name none of their own. */
  readonly trace?: TraceContext | null | undefined;
  /** Each as child-task.ts has it; a payload may be a JsonText. */
  readonly tasks: readonly unknown[];
}

export interface PreparedChildren {
  readonly tasks: readonly PreparedTask[];
  /** Enqueues them all or not at all, and may be called again. */
  readonly send: () => Promise<EnqueueReceipt[]>;
}

/**
 * Prepares and checks them.
 *
 * @throws (rejects) InvalidTaskError, with nothing enqueued, where one of them could not be run.
 */
export async function prepareChildren(
  broker: Pick<Broker, "now" | "enqueue">,
  preparation: Preparation,
  known: (type: string) => KnownType | undefined,
  { parent, follows, trace, tasks }: ChildrenOf,
): Promise<PreparedChildren> {
  if (tasks.length === 0) throw new InvalidTaskError("there is no task to enqueue");
  const at = (index: number, error: unknown) => (tasks.length === 1 ? error : refusedAt(`tasks.${index}`, error));
  const ready = tasks.map((given, index): ReadyTask => {
    try {
      const task = readChild(given);
      return prepare(broker, { ...preparation, parent, follows, trace: task.trace ?? trace }, task, known(task.type));
    } catch (error) {
      throw at(index, error);
    }
  });
  // Side by side: a check may be a question to another process.
  const checks = await Promise.allSettled(ready.map(async (one) => one.check()));
  for (const [index, check] of checks.entries()) if (check.status === "rejected") throw at(index, check.reason);
  const prepared = ready.map(({ task }) => task);
  return { tasks: prepared, send: () => broker.enqueue(requestsOf(prepared, broker)) };
}
