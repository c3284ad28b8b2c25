/**
 * Tasks that the handler of another one enqueues: prepared as any other, with that one as their parent. What the
 * definition of their type says holds where this executor has loaded it.
 */
import type { Broker, EnqueueReceipt } from "../broker/broker.ts";
import { readChild } from "../task/message/child-task.ts";
import { InvalidTaskError, refusedAt } from "../task/message/new-task.ts";
import { type KnownType, type Preparation, prepare, type ReadyTask, requestsOf } from "./prepare.ts";

export interface ChildrenOf {
  /** The id of the task whose handler asks. */
  readonly parent: string;
  /** Each as child-task.ts has it; a payload may be a JsonText. */
  readonly tasks: readonly unknown[];
}

/**
 * Prepares and checks them. @returns a call that enqueues them all or not at all, and may be made again.
 *
 * @throws (rejects) InvalidTaskError, with nothing enqueued, where one of them could not be run.
 */
export async function prepareChildren(
  broker: Pick<Broker, "now" | "enqueue">,
  preparation: Preparation,
  known: (type: string) => KnownType | undefined,
  { parent, tasks }: ChildrenOf,
): Promise<() => Promise<EnqueueReceipt[]>> {
  if (tasks.length === 0) throw new InvalidTaskError("there is no task to enqueue");
  const ready: ReadyTask[] = [];
  for (const [index, given] of tasks.entries()) {
    try {
      const task = readChild(given);
      const one = prepare(broker, { ...preparation, parent }, task, known(task.type));
      await one.check();
      ready.push(one);
    } catch (error) {
      throw tasks.length === 1 ? error : refusedAt(`tasks.${index}`, error);
    }
  }
  return () =>
    broker.enqueue(
      requestsOf(
        ready.map(({ task }) => task),
        broker,
      ),
    );
}
