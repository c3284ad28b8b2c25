// The listing of what is alive: every nursery and task below a scope, as data that can be written out as JSON.
// Costs nothing until it is asked for: it walks what the tree keeps anyway.

import { type CancelScope, nodeOf } from "./cancel-scope.ts";
import { cancelledAt } from "./cancelled.ts";
import type { ScopeNode } from "./scope-node.ts";

/** A nursery, a task or a named scope that is alive, with those inside it. */
export interface TreeNode {
  readonly kind: "root" | "nursery" | "task" | "scope";
  readonly name: string;
  /** How long it has been there, in ms; 0 for the scope that was asked about. */
  readonly ageMs: number;
  /** Cancelling: a cancellation is visible there, and it has not ended yet. Abandoned: its nursery left without it. */
  readonly state: "running" | "cancelling" | "abandoned";
  /** How long ago the cancel was called, in ms; only where a cancellation is visible. */
  readonly cancellingMs?: number;
  readonly children: readonly TreeNode[];
}

/**
 * Lists every live nursery, task and named scope below a scope. Abandoned tasks that began below it are listed last,
 * directly below it.
 *
 * @example
 * ```ts
 * import { openRoot, sleepForever, snapshotTree, withNursery } from "taskexe/concurrency";
 *
 * const root = openRoot();
 * await withNursery(
 *   root,
 *   async (nursery) => {
 *     nursery.startSoon((task) => sleepForever(task.signal), { name: "fetch" });
 *     const [ingest] = snapshotTree(root).children;
 *     console.log(ingest?.name); // "ingest"
 *     console.log(ingest?.children.map((child) => `${child.name} is ${child.state}`)); // ["fetch is running"]
 *     nursery.scope.cancel();
 *   },
 *   { name: "ingest" },
 * );
 * ```
 */
export function snapshotTree(root: CancelScope): TreeNode {
  const top = nodeOf(root);
  const now = top.clock.now();
  const children: TreeNode[] = [];
  // A loop, as trees may be deeper than the stack. Scopes without a name are passed over: theirs go to who is above.
  const waiting: { node: ScopeNode; into: TreeNode[] }[] = [{ node: top, into: children }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const inner: { node: ScopeNode; into: TreeNode[] }[] = [];
    for (const node of next.node === top ? atTop(top) : next.node.children()) {
      const listed = list(node, now);
      if (listed !== undefined) next.into.push(listed.entry);
      inner.push({ node, into: listed?.children ?? next.into });
    }
    waiting.push(...inner.reverse());
  }
  return { kind: "root", name: "root", ageMs: 0, ...stateOf(top, false, now), children };
}

/** What stands directly below the scope that was asked about, and what began below it and was left behind. */
function* atTop(top: ScopeNode): Generator<ScopeNode> {
  yield* top.children();
  const { root } = top;
  if (root === top) return;
  for (const node of root.children()) if (node.owner?.entry?.abandoned && node.beganBelow(top)) yield node;
}

function list(node: ScopeNode, now: number): { entry: TreeNode; children: TreeNode[] } | undefined {
  const shown = node.owner?.entry;
  if (shown === undefined) return undefined;
  const { kind, name, startedAt, abandoned } = shown;
  const children: TreeNode[] = [];
  return { entry: { kind, name, ageMs: now - startedAt, ...stateOf(node, abandoned, now), children }, children };
}

function stateOf(node: ScopeNode, abandoned: boolean, now: number): Pick<TreeNode, "state" | "cancellingMs"> {
  if (node.visible === undefined) return { state: abandoned ? "abandoned" : "running" };
  return { state: abandoned ? "abandoned" : "cancelling", cancellingMs: now - cancelledAt(node.visible) };
}
