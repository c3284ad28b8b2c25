// A call at the cancel of a scope, for code that waits by itself: cheaper than a listener on the scope's signal, which
// need not be made for it.

import { type CancelScope, nodeOf } from "./cancel-scope.ts";
import { ScopeNode } from "./scope-node.ts";

/**
 * Calls back once a cancellation is visible in the scope; at once where there is one already.
 *
 * @param callback - runs in the midst of the cancel, and must not throw.
 * @returns takes the call back. To be called by whoever no longer waits: until then the scope's block is not left.
 * @throws ClosedResourceError when the block of the scope has ended.
 * @example
 * ```ts
 * import { onCancel, openRoot } from "taskexe/concurrency";
 *
 * const root = openRoot();
 * let cancelled = false;
 * const takeBack = onCancel(root, () => {
 *   cancelled = true;
 * });
 * root.cancel();
 * takeBack();
 * console.log(cancelled); // true
 * ```
 */
export function onCancel(scope: CancelScope, callback: () => void): () => void {
  const node = ScopeNode.below(nodeOf(scope), false, { onCancelled: callback });
  if (node.visible !== undefined) callback();
  return () => node.close();
}
