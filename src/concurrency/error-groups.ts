// Taking groups of errors apart: NurseryError, and any other AggregateError, at any depth.
// Promises that an error which needs no change is handed back as the same object, and never overflows the stack.

import { NurseryError } from "./errors.ts";

/**
 * The errors in a group, without the groups: depth first, in order. Anything but an AggregateError is its own leaf.
 *
 * @example
 * ```ts
 * import { flattenErrors, NurseryError } from "taskexe/concurrency";
 *
 * const group = new NurseryError([new NurseryError(["a", "b"]), "c"]);
 * console.log(flattenErrors(group)); // ["a", "b", "c"]
 * console.log(flattenErrors("a")); // ["a"]
 * ```
 */
export function flattenErrors(error: unknown): unknown[] {
  if (!isGroup(error)) return [error];
  const leaves: unknown[] = [];
  for (const node of walk(error)) if (!isGroup(node)) leaves.push(node);
  return leaves;
}

/** What {@link findError} searches for: any class, whether or not its constructor can be called from outside. */
export interface ErrorClass<T> {
  readonly prototype: T;
  [Symbol.hasInstance](value: unknown): boolean;
}

/**
 * The first error of a class in a group, groups included; depth first.
 *
 * @returns undefined when there is none.
 * @example
 * ```ts
 * import { findError, NurseryError } from "taskexe/concurrency";
 *
 * const group = new NurseryError([new TypeError("a"), new RangeError("b")]);
 * console.log(findError(group, RangeError)?.message); // "b"
 * console.log(findError(group, SyntaxError)); // undefined
 * ```
 */
export function findError<T>(error: unknown, Class: ErrorClass<T>): T | undefined {
  for (const node of walk(error)) if (isInstance(node, Class)) return node;
  return undefined;
}

/**
 * Splits an error in two by its leaves. Each half keeps the nesting of the whole; a half that holds everything is the
 * very same object, an empty one is undefined.
 *
 * @returns `[matching, rest]`
 * @example
 * ```ts
 * import { flattenErrors, NurseryError, splitErrors } from "taskexe/concurrency";
 *
 * const group = new NurseryError([1, new NurseryError([2, 3])]);
 * const [odd, even] = splitErrors(group, (error) => Number(error) % 2 === 1);
 * console.log(flattenErrors(odd)); // [1, 3]
 * console.log(flattenErrors(even)); // [2]
 * ```
 */
export function splitErrors(
  error: unknown,
  predicate: (leaf: unknown) => boolean,
): [matching: unknown | undefined, rest: unknown | undefined] {
  if (!isGroup(error)) return predicate(error) ? [error, undefined] : [undefined, error];
  const verdicts = new Map<unknown, boolean>();
  for (const leaf of flattenErrors(error)) if (!verdicts.has(leaf)) verdicts.set(leaf, predicate(leaf));
  return [
    filterGroup(error, (leaf) => verdicts.get(leaf) === true),
    filterGroup(error, (leaf) => verdicts.get(leaf) !== true),
  ];
}

/** A group of the same kind, with the same message, around other errors. */
export function regroup(group: AggregateError, errors: readonly unknown[]): AggregateError {
  if (group instanceof NurseryError) return new NurseryError(errors);
  const copy = new AggregateError(errors, group.message);
  if ("cause" in group) copy.cause = group.cause;
  return copy;
}

/** An empty group, as Promise.any([]) throws it, is a leaf: there is nothing in it to take apart. */
export function isGroup(error: unknown): error is AggregateError {
  return error instanceof AggregateError && error.errors.length > 0;
}

function isInstance<T>(value: unknown, Class: ErrorClass<T>): value is T {
  return value instanceof Class;
}

/** Every node, a group before what it holds. */
function* walk(error: unknown): Generator<unknown> {
  const waiting = [error];
  while (waiting.length > 0) {
    const node = waiting.pop();
    yield node;
    if (!isGroup(node)) continue;
    for (let i = node.errors.length - 1; i >= 0; i--) waiting.push(node.errors[i]);
  }
}

/** One level of a group that is being filtered. */
interface Level {
  readonly group: AggregateError;
  readonly kept: unknown[];
  next: number;
  changed: boolean;
}

function openLevel(group: AggregateError): Level {
  return { group, kept: [], next: 0, changed: false };
}

/** The group without the leaves that are not wanted. A loop: nurseries may nest deeper than the stack. */
function filterGroup(group: AggregateError, wanted: (leaf: unknown) => boolean): AggregateError | undefined {
  const levels: Level[] = [openLevel(group)];
  for (;;) {
    const level = levels[levels.length - 1];
    if (level === undefined) return undefined;
    if (level.next < level.group.errors.length) {
      const node: unknown = level.group.errors[level.next++];
      if (isGroup(node)) levels.push(openLevel(node));
      else if (wanted(node)) level.kept.push(node);
      else level.changed = true;
      continue;
    }
    levels.pop();
    const result = closeLevel(level);
    const outer = levels[levels.length - 1];
    if (outer === undefined) return result;
    if (result !== undefined) outer.kept.push(result);
    if (result !== level.group) outer.changed = true;
  }
}

function closeLevel(level: Level): AggregateError | undefined {
  if (!level.changed) return level.group;
  return level.kept.length === 0 ? undefined : regroup(level.group, level.kept);
}
