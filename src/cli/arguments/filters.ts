/**
 * The flags that say which tasks a command is about, checked.
 * A queue that is named on the command line is looked into whether the configuration names it or not.
 */
import * as v from "valibot";
import type { Settings } from "../../config/settings.ts";
import { KnownQueueSchema } from "../../task/options/enqueue-options.ts";
import { usageError } from "../process/exit.ts";
import { type Options, settingsOf, text } from "./flags.ts";

export interface TaskFlags {
  readonly type?: string;
  readonly queue?: string;
}

/** `--type` and `--queue`. */
export function taskFlags(options: Options, command: string): TaskFlags {
  const type = text(options.type);
  const queue = text(options.queue);
  if (type === "") throw usageError("flag --type: expected the name of a type, got nothing", command);
  if (queue !== undefined) checkQueue(queue, command);
  return { ...(type === undefined ? {} : { type }), ...(queue === undefined ? {} : { queue }) };
}

/**
 * @param schema - what names there may be: those that other producers can have made, where no task is put there.
 * @throws CommandFailure when it is no name of a queue.
 */
export function checkQueue(queue: string, command: string, schema: v.GenericSchema = KnownQueueSchema): void {
  const checked = v.safeParse(schema, queue);
  if (checked.success) return;
  throw usageError(`flag --queue: ${checked.issues[0].message}, got ${JSON.stringify(queue)}`, command);
}

/** A flag with a fixed set of values; undefined where it was not given. */
export function choice<const T extends string>(
  options: Options,
  name: string,
  allowed: readonly T[],
  command: string,
): T | undefined {
  const given = text(options[name]);
  if (given === undefined) return undefined;
  const found = allowed.find((value) => value === given);
  if (found !== undefined) return found;
  throw usageError(`flag --${name}: expected ${allowed.join(", ")}, got ${JSON.stringify(given)}`, command);
}

/** The configuration, with the queue of `--queue` among its queues. */
export function settingsWithQueue(options: Options): Settings {
  const settings = settingsOf(options);
  const queue = text(options.queue);
  return queue === undefined ? settings : { ...settings, queues: [...new Set([...settings.queues, queue])] };
}
