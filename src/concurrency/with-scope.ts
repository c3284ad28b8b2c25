// Blocks around one piece of code: a plain scope, and the two timeouts.
// Promises that the block is left only when every block opened inside it has been left, that its own cancel ends at
// its edge, and that all else goes on outwards. Starting tasks is nursery.ts.

import { sift } from "./absorb.ts";
import { type CancelScope, nodeOf, scopeOf } from "./cancel-scope.ts";
import type { Cancelled } from "./cancelled.ts";
import { checkDuration } from "./durations.ts";
import { groupOrigin, NurseryError, TooSlowError, withOrigin } from "./errors.ts";
import { checkFunction } from "./functions.ts";
import { ScopeNode } from "./scope-node.ts";
import { errorsIn, isInstance } from "./unknown-values.ts";

/**
 * How a block ended: with its value, or cut short by the cancel of its own scope.
 *
 * @example
 * ```ts
 * import { moveOnAfter, openRoot, type Outcome } from "taskexe/concurrency";
 *
 * function show(outcome: Outcome<number>): string {
 *   return outcome.cancelled ? `cut short: ${outcome.reason.source}` : `the value ${outcome.value}`;
 * }
 * console.log(show(await moveOnAfter(openRoot(), 5_000, async () => 42))); // "the value 42"
 * ```
 */
export type Outcome<T> =
  | { readonly cancelled: false; readonly value: T }
  | { readonly cancelled: true; readonly reason: Cancelled };

/**
 * The settings of a scope.
 *
 * @example
 * ```ts
 * import { checkpoint, openRoot, type ScopeOptions, withScope } from "taskexe/concurrency";
 *
 * const cleanUp: ScopeOptions = { name: "clean-up", shield: true };
 * const root = openRoot();
 * root.cancel();
 * const outcome = await withScope(root, cleanUp, async (scope) => {
 *   await checkpoint(scope.signal); // the root's cancel is kept out
 *   return "cleaned up";
 * });
 * console.log(outcome); // { cancelled: false, value: "cleaned up" }
 * ```
 */
export interface ScopeOptions {
  /** In ms on the clock's scale; default `Infinity`. In the past it cancels at once. */
  readonly deadline?: number | undefined;
  /** Keeps cancellations from above out; default false. */
  readonly shield?: boolean | undefined;
  /** Lists the scope under this name in {@link snapshotTree}. */
  readonly name?: string | undefined;
}

/**
 * Runs a block in a scope of its own, which can be cancelled without harm to anything around it.
 *
 * @returns the value; or, where the scope's own cancel cut the block short, that cancel.
 * @throws (rejects) the body's error; the Cancelled of a scope further out; RangeError for a deadline that is NaN;
 * ClosedResourceError when the block of `parent` has ended.
 * @example
 * ```ts
 * import { openRoot, sleepForever, withScope } from "taskexe/concurrency";
 *
 * const outcome = await withScope(openRoot(), { name: "probe" }, async (scope) => {
 *   setTimeout(() => scope.cancel("enough"), 1);
 *   return await sleepForever(scope.signal);
 * });
 * console.log(outcome.cancelled && outcome.reason.reason); // "enough"
 * ```
 */
export async function withScope<T>(
  parent: CancelScope,
  opts: ScopeOptions,
  body: (scope: CancelScope) => Promise<T> | T,
): Promise<Outcome<T>> {
  checkFunction(body, "withScope");
  const node = openNode(nodeOf(parent), opts);
  let value: T;
  try {
    value = await body(scopeOf(node));
  } catch (error) {
    return leaveWithError(node, error);
  }
  if (node.open > 0) await untilEmpty(node);
  node.close();
  return { cancelled: false, value };
}

/**
 * Gives a block a time to end in, and goes on either way.
 *
 * @param ms - counts from the call; >= 0, `Infinity` for no limit.
 * @returns the value; or, where the time ran out first, the cancel.
 * @throws (rejects) as {@link withScope}; RangeError for a duration that is negative or NaN.
 * @example
 * ```ts
 * import { moveOnAfter, openRoot, sleepForever } from "taskexe/concurrency";
 *
 * const outcome = await moveOnAfter(openRoot(), 1, (scope) => sleepForever(scope.signal));
 * console.log(outcome.cancelled && outcome.reason.source); // "deadline"
 * ```
 */
export async function moveOnAfter<T>(
  parent: CancelScope,
  ms: number,
  body: (scope: CancelScope) => Promise<T> | T,
  opts: { readonly shield?: boolean | undefined } = {},
): Promise<Outcome<T>> {
  checkDuration(ms, "moveOnAfter");
  return withScope(parent, { deadline: nodeOf(parent).clock.now() + ms, shield: opts.shield }, body);
}

/**
 * Gives a block a time to end in, and fails when it does not.
 *
 * @param ms - counts from the call; >= 0, `Infinity` for no limit.
 * @throws (rejects) TooSlowError where the block was cut short by its own scope; else as {@link moveOnAfter}.
 * @example
 * ```ts
 * import { failAfter, openRoot } from "taskexe/concurrency";
 *
 * const page = await failAfter(openRoot(), 5_000, async () => "the page");
 * console.log(page); // "the page"
 * ```
 */
export async function failAfter<T>(
  parent: CancelScope,
  ms: number,
  body: (scope: CancelScope) => Promise<T> | T,
  opts: { readonly shield?: boolean | undefined } = {},
): Promise<T> {
  checkDuration(ms, "failAfter");
  const outcome = await withScope(parent, { deadline: nodeOf(parent).clock.now() + ms, shield: opts.shield }, body);
  if (!outcome.cancelled) return outcome.value;
  const { reason } = outcome;
  const what = reason.source === "deadline" ? `did not end within ${ms} ms` : "was cancelled before it ended";
  throw new TooSlowError(`The block ${what}`, { cause: reason });
}

function openNode(parent: ScopeNode, opts: ScopeOptions): ScopeNode {
  const { name, deadline = Infinity, shield = false } = opts;
  const node = ScopeNode.below(parent, shield, undefined);
  if (name !== undefined) {
    node.owner = { entry: { kind: "scope", name, startedAt: node.clock.now(), abandoned: false } };
  }
  if (deadline === Infinity) return node;
  try {
    node.deadline = deadline;
  } catch (error) {
    node.close();
    throw error;
  }
  return node;
}

async function leaveWithError<T>(node: ScopeNode, error: unknown): Promise<Outcome<T>> {
  if (node.open > 0) {
    node.cancelInner({ source: "explicit", reason: "the block around it has failed" });
    await untilEmpty(node);
  }
  const { absorbed, escaping, errors } = sift(error, node);
  node.caught = absorbed;
  node.close();
  if (errors.length === 0 && escaping === undefined && node.own !== undefined) {
    return { cancelled: true, reason: node.own };
  }
  throw joinError(errors, escaping);
}

/** The error that leaves a single block: as it came, joined by a cancellation that goes on outwards. */
export function joinError(errors: readonly unknown[], escaping: Cancelled | undefined): unknown {
  if (errors.length === 0) return escaping;
  const [error] = errors;
  if (escaping === undefined) return error;
  if (!isInstance(error, NurseryError)) return new NurseryError([error, escaping]);
  return withOrigin(new NurseryError([...errorsIn(error), escaping]), groupOrigin(error));
}

/** A block that nobody awaited is still running inside: the block around it waits for it. */
async function untilEmpty(node: ScopeNode): Promise<void> {
  while (node.open > 0) {
    await new Promise<void>((resolve) => {
      node.owner = { entry: node.owner?.entry, onEmpty: resolve };
    });
  }
}
