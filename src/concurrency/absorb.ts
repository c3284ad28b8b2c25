// What a scope does with an error that reaches its edge: which cancellations are its own and end here, which must go
// on outwards, and what is a real error.
// Promises that no scope absorbs another's cancel, and that a cancellation from outside wins over the scope's own.

import { type CancelScope, nodeOf } from "./cancel-scope.ts";
import { type Cancelled, isCancelled, originOf } from "./cancelled.ts";
import { flattenErrors, splitErrors } from "./error-groups.ts";
import { isGroup } from "./group-walks.ts";
import type { ScopeNode } from "./scope-node.ts";
import { isInstance, read } from "./unknown-values.ts";

/**
 * Whether an error means nothing but that `scope` was cancelled: a Cancelled that comes from it or from a scope around
 * it; or, once its signal is aborted, that signal's reason, an error that has it as `cause`, or any AbortError. A group
 * counts when all of its leaves do. A Cancelled of another part of the tree, or of another tree, is a failure.
 *
 * @example
 * ```ts
 * import { checkpoint, isCancellation, openRoot, withScope } from "taskexe/concurrency";
 *
 * await withScope(openRoot(), {}, async (scope) => {
 *   scope.cancel();
 *   try {
 *     await checkpoint(scope.signal);
 *   } catch (error) {
 *     console.log(isCancellation(error, scope)); // true
 *     throw error;
 *   }
 * });
 * ```
 */
export function isCancellation(error: unknown, scope: CancelScope): boolean {
  const node = nodeOf(scope);
  if (!isGroup(error)) return isCancellationLeaf(error, node);
  return flattenErrors(error).every((leaf) => isCancellationLeaf(leaf, node));
}

function isCancellationLeaf(error: unknown, node: ScopeNode): boolean {
  if (isCancelled(error) && node.isBelow(originOf(error))) return true;
  if (node.visible === undefined) return false;
  if (error === node.visible) return true;
  return isInstance(error, Error) && (read(error, "cause") === node.visible || read(error, "name") === "AbortError");
}

/** An error after its scope has looked at it. */
export interface Residue {
  /** Whether the scope's own cancel was in it, and ends here. */
  readonly absorbed: boolean;
  /** The cancellation that goes on outwards. */
  readonly escaping: Cancelled | undefined;
  /** The real error, if there is any: `errors` is empty or holds it. */
  readonly errors: readonly unknown[];
}

/** Sorts an error that has reached the edge of a scope. Changes nothing. */
export function sift(error: unknown, node: ScopeNode): Residue {
  return isGroup(error) ? siftGroup(error, node) : siftLeaf(error, node);
}

/** What a cancel brings to each of the tasks it reaches, so it does without the lists of a group. */
function siftLeaf(error: unknown, node: ScopeNode): Residue {
  if (!isCancellationLeaf(error, node)) return { absorbed: false, escaping: undefined, errors: [error] };
  if (node.outer !== undefined) return { absorbed: false, escaping: node.outer, errors: [] };
  if (isForeign(error, node)) return { absorbed: false, escaping: error, errors: [] };
  return { absorbed: true, escaping: undefined, errors: [] };
}

function siftGroup(error: unknown, node: ScopeNode): Residue {
  const leaves = flattenErrors(error);
  const cancellations = leaves.filter((leaf) => isCancellationLeaf(leaf, node));
  if (cancellations.length === 0) return { absorbed: false, escaping: undefined, errors: [error] };

  const escaping = node.outer ?? cancellations.find((leaf) => isForeign(leaf, node));
  const absorbed = node.outer === undefined && cancellations.some((leaf) => !isForeign(leaf, node));
  if (cancellations.length === leaves.length) return { absorbed, escaping, errors: [] };

  const [, rest] = splitErrors(error, (leaf) => isCancellationLeaf(leaf, node));
  return { absorbed, escaping, errors: [rest] };
}

/** A Cancelled of a scope further out, which a shield keeps from being visible here, but which was thrown here. */
function isForeign(error: unknown, node: ScopeNode): error is Cancelled {
  return isCancelled(error) && originOf(error) !== node;
}
