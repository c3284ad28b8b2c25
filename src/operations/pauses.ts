/**
 * A pause of a queue or a type. Each claim of the fleet reads what is paused while anything is, so there can be so many
 * and no more, and no name is longer than one of a queue or a type can be.
 */
import type { PauseTarget } from "../broker/administration.ts";
import type { Broker } from "../broker/broker.ts";
import { MAX_TYPE_LENGTH } from "../task/message-schema.ts";
import { InvalidTaskError } from "../task/new-task.ts";

/** How many queues and types can be paused at once. */
export const MAX_PAUSED = 1_000;

/** @throws (rejects) InvalidTaskError where as many are paused already, or the name is too long. */
export async function pause(broker: Pick<Broker, "pause" | "paused">, target: PauseTarget): Promise<void> {
  const { kind, name } = target;
  if (name.length > MAX_TYPE_LENGTH) {
    throw new InvalidTaskError(`no ${kind} has a name of more than ${MAX_TYPE_LENGTH} characters`);
  }
  const paused = await broker.paused();
  const isPaused = paused.some((one) => one.kind === kind && one.name === name);
  if (!isPaused && paused.length >= MAX_PAUSED) {
    throw new InvalidTaskError(`${MAX_PAUSED} queues and types are paused, which is the most there can be: resume one`);
  }
  await broker.pause(target);
}
