// Taking groups of errors apart: NurseryError, and any other AggregateError, at any depth and of any shape.
// Promises that an error which needs no change is handed back as the same object, and never overflows the stack.

import { groupOrigin, NurseryError, withOrigin } from "./errors.ts";
import { groupsLeadingTo, isGroup, leavesOf, Met, none, walk } from "./group-walks.ts";
import { type ClassOf, errorsIn, isInstance, read, textOf } from "./unknown-values.ts";

/**
 * The errors in a group, without the groups: depth first, in order. Anything but an AggregateError is its own leaf. An
 * error, or a group, that is met again counts once.
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
  return isGroup(error) ? leavesOf(error).leaves : [error];
}

/**
 * An error, and where in the tree it happened.
 *
 * @example
 * ```ts
 * import { type LocatedError, locateErrors } from "taskexe/concurrency";
 *
 * const [alone]: LocatedError[] = locateErrors("thrown outside of every nursery");
 * console.log(alone); // { error: "thrown outside of every nursery", path: [] }
 * ```
 */
export interface LocatedError {
  /** What was thrown; never a group that could be taken apart. */
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
  const { barren } = leavesOf(error);
  const met = new Met();
  // Paths are linked while they grow: a copy for each level would cost the square of the depth.
  const waiting: { node: unknown; place: Place | undefined }[] = [{ node: error, place: undefined }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, place } = next;
    if (met.again(node)) continue;
    if (!isGroup(node) || barren.has(node)) {
      located.push({ error: node, path: namesOf(place) });
      continue;
    }
    const origin = groupOrigin(node);
    const inside = into(place, origin?.nursery);
    const errors = errorsIn(node);
    for (let i = errors.length - 1; i >= 0; i--) {
      waiting.push({ node: errors[i], place: into(inside, origin?.tasks[i]) });
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

/**
 * What {@link findError} searches for: any class, whether or not its constructor can be called from outside.
 *
 * @example
 * ```ts
 * import { type ErrorClass, findError, TooSlowError, WouldBlockError } from "taskexe/concurrency";
 *
 * const harmless: ErrorClass<Error>[] = [TooSlowError, WouldBlockError];
 * const error = new TooSlowError("did not end within 5 ms");
 * console.log(harmless.some((Class) => findError(error, Class))); // true
 * ```
 */
export interface ErrorClass<T> extends ClassOf<T> {}

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
  for (const node of walk(error, none)) if (isInstance(node, Class)) return node;
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
  const { leaves, barren } = leavesOf(error);
  const verdicts = new Map<unknown, boolean>();
  for (const leaf of leaves) if (!verdicts.has(leaf)) verdicts.set(leaf, predicate(leaf));
  const isMatching = (leaf: unknown) => verdicts.get(leaf) === true;
  if (leaves.every(isMatching)) return [error, undefined];
  if (!leaves.some(isMatching)) return [undefined, error];
  return [filterGroup(error, barren, isMatching), filterGroup(error, barren, (leaf) => !isMatching(leaf))];
}

/** A group of the same kind, with the same message, around some of its errors; `from` says which each of them was. */
function regroup(group: object, errors: readonly unknown[], from: readonly number[]): AggregateError {
  if (isInstance(group, NurseryError)) {
    const origin = groupOrigin(group);
    const tasks = from.map((index) => origin?.tasks[index]);
    return withOrigin(new NurseryError(errors), origin && { nursery: origin.nursery, tasks });
  }
  const copy = new AggregateError(errors, textOf(read(group, "message")));
  const cause = read(group, "cause");
  if (cause !== undefined) copy.cause = cause;
  return copy;
}

/** One level of a group that is being filtered. */
interface Level {
  readonly group: object;
  readonly errors: readonly unknown[];
  readonly kept: unknown[];
  /** Where in the group each of the kept stood. */
  readonly keptFrom: number[];
  next: number;
}

function openLevel(group: object): Level {
  return { group, errors: errorsIn(group), kept: [], keptFrom: [], next: 0 };
}

/**
 * A group without the leaves that are not wanted, of which it has some. A loop: groups may nest deeper than the stack.
 */
function filterGroup(whole: object, barren: ReadonlySet<unknown>, isWanted: (leaf: unknown) => boolean): unknown {
  const withWanted = groupsLeadingTo(isWanted, whole, barren);
  const withOthers = groupsLeadingTo((leaf) => !isWanted(leaf), whole, barren);
  /**
   * What is left of a group that has both; nothing while it is being filtered, which is what it finds inside itself.
   */
  const results = new Map<unknown, object | undefined>([[whole, undefined]]);
  const levels: Level[] = [openLevel(whole)];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    if (level.next === level.errors.length) {
      levels.pop();
      results.set(level.group, level.kept.length === 0 ? undefined : regroup(level.group, level.kept, level.keptFrom));
      continue;
    }
    const node = level.errors[level.next];
    if (!isGroup(node) || barren.has(node)) take(level, node, isWanted(node));
    else if (!withOthers.has(node) || !withWanted.has(node)) take(level, node, withWanted.has(node));
    else if (results.has(node)) take(level, results.get(node), results.get(node) !== undefined);
    else {
      // It is come by again, and taken, once its result is there.
      results.set(node, undefined);
      levels.push(openLevel(node));
    }
  }
  return results.get(whole);
}

/** Goes past the next error of a group, and keeps what is left of it or not. */
function take(level: Level, error: unknown, isKept: boolean): void {
  if (isKept) {
    level.kept.push(error);
    level.keptFrom.push(level.next);
  }
  level.next++;
}
