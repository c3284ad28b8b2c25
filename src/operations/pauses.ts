/**
 * Pauses of a queue or a type, for the whole fleet. Each claim of the fleet reads what is paused while anything is, so
 * there can be so many and no more, and each name is one that a queue or a type can have.
 */
import * as v from "valibot";
import type { Broker } from "../broker/broker.ts";
import type { PauseTarget } from "../broker/contract/admin.ts";
import { TypeSchema } from "../task/message/message-schema.ts";
import { InvalidTaskError } from "../task/message/new-task.ts";
import { KnownQueueSchema } from "../task/options/enqueue-options.ts";
import type { PauseJson } from "./views/pause-view.ts";

/** How many queues and types can be paused at once. */
export const MAX_PAUSED = 1_000;

/** What the names of each kind may be. */
export const PAUSE_NAMES = { queue: KnownQueueSchema, type: TypeSchema } as const satisfies Record<
  PauseTarget["kind"],
  v.GenericSchema
>;

/** What is wrong with the name of a target; null: nothing. */
export function wrongName({ kind, name }: PauseTarget): string | null {
  const { issues } = v.safeParse(PAUSE_NAMES[kind], name);
  return issues === undefined ? null : issues[0].message;
}

/**
 * Lets nothing of a queue or a type start until it is resumed.
 *
 * @throws (rejects) InvalidTaskError where nothing can have that name, or as many are paused already.
 */
export async function pause(broker: Pick<Broker, "pause" | "paused">, target: PauseTarget): Promise<PauseJson> {
  const { kind, name } = target;
  const wrong = wrongName(target);
  if (wrong !== null) throw new InvalidTaskError(`${kind}: ${wrong}`);
  const paused = await broker.paused();
  const isPaused = paused.some((one) => one.kind === kind && one.name === name);
  if (!isPaused && paused.length >= MAX_PAUSED) {
    throw new InvalidTaskError(`${MAX_PAUSED} queues and types are paused, which is the most there can be: resume one`);
  }
  await broker.pause(target);
  return { kind, name, paused: true };
}

/** Lets it go on. */
export async function resume(broker: Pick<Broker, "resume">, target: PauseTarget): Promise<PauseJson> {
  await broker.resume(target);
  return { ...target, paused: false };
}
