/** What a program without types may have misspelt in an enqueue, told before anything is made of it. */
import { isObject, read } from "../concurrency/unknown-values.ts";
import { didYouMean } from "../config/nearest.ts";
import { InvalidTaskError } from "../task/message/new-task.ts";
import { type EnqueueOptions, OPTION_NAMES } from "../task/options/enqueue-options.ts";

/**
 * Lets options through whose names are all known.
 *
 * @throws InvalidTaskError with each name that is not, and the nearest that is.
 */
export function checkOptionNames(options: EnqueueOptions): void {
  const unknown = Object.keys(options).filter((name) => !OPTION_NAMES.has(name));
  if (unknown.length === 0) return;
  const known = [...OPTION_NAMES];
  const told = unknown.slice(0, 10).map((name) => `${name}: is not known${didYouMean(name, known)}`);
  throw new InvalidTaskError(told.join("; "));
}

/** @throws InvalidTaskError where the task is neither a name nor a definition. */
export function checkTask(task: unknown): void {
  if (typeof task === "string" || (isObject(task) && typeof read(task, "type") === "string")) return;
  const got = task === undefined ? "nothing" : task === null ? "null" : `a value of the type ${typeof task}`;
  throw new InvalidTaskError(`task: must be the name of a type, or what defineTask has made, got ${got}`);
}

/** Tells ids from a filter. */
export function isIds(which: unknown): which is string | readonly string[] {
  return typeof which === "string" || Array.isArray(which);
}

export function listOf(ids: string | readonly string[]): readonly string[] {
  return typeof ids === "string" ? [ids] : ids;
}
