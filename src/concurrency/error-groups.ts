// Taking groups of errors apart: NurseryError, and any other AggregateError, at any depth.
// Promises that an error which needs no change is handed back as the same object, and never overflows the stack.

import { groupOrigin, NurseryError, withOrigin } from "./errors.ts";

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

/** An error, and where in the tree it happened. */
export interface LocatedError {
  readonly error: unknown;
  /** The names of the nurseries and tasks around it, outermost first; empty for an error that is in no group. */
  readonly path: readonly string[];
}

/**
 * The errors in a group, in the order of {@link flattenErrors}, each with its path through the tree of nurseries and
 * tasks. A nursery that was given no name, and a group that no nursery made, add nothing to the path.
 *
 * @example
 * ```ts
 * import { locateErrors, openRoot, withNursery } from "taskexe/concurrency";
 *
 * const fail = () => {
 *   throw new TypeError("no such page");
 * };
 * try {
 *   await withNursery(openRoot(), (nursery) => nursery.startSoon(fail, { name: "fetch" }), { name: "ingest" });
 * } catch (error) {
 *   const [first] = locateErrors(error);
 *   console.log(first?.path.join(" > ")); // "ingest > fetch"
 * }
 * ```
 */
export function locateErrors(error: unknown): LocatedError[] {
  const located: LocatedError[] = [];
  // Paths are linked while they grow: a copy for each level would cost the square of the depth.
  const waiting: { node: unknown; place: Place | undefined }[] = [{ node: error, place: undefined }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, place } = next;
    if (!isGroup(node)) {
      located.push({ error: node, path: namesOf(place) });
      continue;
    }
    const origin = groupOrigin(node);
    const inside = into(place, origin?.nursery);
    for (let i = node.errors.length - 1; i >= 0; i--) {
      waiting.push({ node: node.errors[i], place: into(inside, origin?.tasks[i]) });
    }
  }
  return located;
}

interface Place {
  readonly outer: Place | undefined;
  readonly name: string;
}

function into(outer: Place | undefined, name: string | undefined): Place | undefined {
  return name === undefined ? outer : { outer, name };
}

function namesOf(place: Place | undefined): string[] {
  const names: string[] = [];
  for (let at = place; at !== undefined; at = at.outer) names.push(at.name);
  return names.reverse();
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

/** A group of the same kind, with the same message, around some of its errors; `from` says which each of them was. */
function regroup(group: AggregateError, errors: readonly unknown[], from: readonly number[]): AggregateError {
  if (group instanceof NurseryError) {
    const origin = groupOrigin(group);
    const tasks = from.map((index) => origin?.tasks[index]);
    return withOrigin(new NurseryError(errors), origin && { nursery: origin.nursery, tasks });
  }
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
  /** Where in the group each of the kept stood. */
  readonly keptFrom: number[];
  next: number;
  changed: boolean;
}

function openLevel(group: AggregateError): Level {
  return { group, kept: [], keptFrom: [], next: 0, changed: false };
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
      else if (wanted(node)) keep(level, node);
      else level.changed = true;
      continue;
    }
    levels.pop();
    const result = closeLevel(level);
    const outer = levels[levels.length - 1];
    if (outer === undefined) return result;
    if (result !== undefined) keep(outer, result);
    if (result !== level.group) outer.changed = true;
  }
}

/** Keeps the error that was looked at last. */
function keep(level: Level, error: unknown): void {
  level.kept.push(error);
  level.keptFrom.push(level.next - 1);
}

function closeLevel(level: Level): AggregateError | undefined {
  if (!level.changed) return level.group;
  return level.kept.length === 0 ? undefined : regroup(level.group, level.kept, level.keptFrom);
}
