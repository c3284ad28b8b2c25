/**
 * What becomes of a part of the executor that fails: the tasks that run are not to pay for it. The executor drains as
 * for any other reason, and the error leaves through the nurseries when that is over, the same object, in its place.
 */
import { getLogger } from "@logtape/logtape";
import { type CancelScope, isCancellation, NurseryError, sleepForever, type Task } from "../../concurrency/index.ts";

const logger = getLogger(["taskexe", "executor"]);

/**
 * Runs a service until it is cancelled. When it fails, asks for the drain and waits for the cancel that ends it.
 *
 * @throws (rejects) what the service threw.
 */
export async function serveUntilDrained(
  service: (task: Task) => Promise<unknown>,
  task: Task,
  drain: (reason: string) => void,
): Promise<void> {
  const failure = await failureOf(() => service(task), task.name, task.scope);
  if (failure === null) return;
  drain(`${task.name} failed`);
  // It ends by the cancel, and what matters then is the error.
  await sleepForever(task.signal).catch(() => {});
  throw failure.error;
}

/**
 * Runs a part and gives its error, or null; a failure is logged at once, since its error leaves only after the drain.
 *
 * @throws (rejects) what is nothing but a cancellation of `scope`.
 */
export async function failureOf(
  part: () => Promise<unknown>,
  name: string,
  scope: CancelScope,
): Promise<{ readonly error: unknown } | null> {
  try {
    await part();
    return null;
  } catch (error) {
    if (isCancellation(error, scope)) throw error;
    logger.error("{name} failed: {error}", { name, error });
    return { error };
  }
}

/** Runs one thing and then the other, whatever became of the first. @throws (rejects) what either threw, or both. */
export async function oneThenTheOther(one: () => Promise<void>, other: () => Promise<void>): Promise<void> {
  try {
    await one();
  } catch (error) {
    try {
      await other();
    } catch (later) {
      throw new NurseryError([error, later]);
    }
    throw error;
  }
  await other();
}
