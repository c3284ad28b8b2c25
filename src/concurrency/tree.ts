// The listing of what is alive: every nursery and task below a scope, as data that can be written out as JSON.
// Costs nothing until it is asked for: it walks what the tree keeps anyway.

import { type CancelScope, nodeOf, scopeOf } from "./cancel-scope.ts";
import { cancelledAt } from "./cancelled.ts";
import type { ScopeNode, TreeEntry } from "./scope-node.ts";

/**
 * A nursery, a task or a named scope that is alive, with those inside it.
 *
 * @example
 * ```ts
 * import { openRoot, snapshotTree, type TreeNode } from "taskexe/concurrency";
 *
 * function count(node: TreeNode): number {
 *   return node.children.reduce((sum, child) => sum + count(child), 1 + (node.unlisted ?? 0));
 * }
 * console.log(count(snapshotTree(openRoot()))); // 1
 * ```
 */
export interface TreeNode {
  /** What it is; "root" for the scope that was asked about. */
  readonly kind: "root" | "nursery" | "task" | "scope";
  /** As in the names of errors. */
  readonly name: string;
  /** How long it has been there, in ms; 0 for the scope that was asked about. */
  readonly ageMs: number;
  /** Cancelling: a cancellation is visible there, and it has not ended yet. Abandoned: its nursery left without it. */
  readonly state: "running" | "cancelling" | "abandoned";
  /** How long ago the cancel was called, in ms; only where a cancellation is visible. */
  readonly cancellingMs?: number;
  /** Those directly inside, the oldest first. */
  readonly children: readonly TreeNode[];
  /** How many more stand below it that are not listed, where the listing ends. */
  readonly unlisted?: number;
  /** What whoever lists it knows beside, as the id of a task that runs there. */
  readonly about?: Readonly<Record<string, string | number>>;
}

/** What is added to a node: what is known of it, and what stands below it elsewhere. */
export type TreeNote = Partial<Pick<TreeNode, "about" | "children" | "unlisted">>;

/** JSON.stringify and most of what reads JSON recurse, and run out of stack some thousands of levels down. */
const MAX_LEVELS = 500;

/**
 * Lists every live nursery, task and named scope below a scope, 500 levels deep; of what stands deeper it gives the
 * number. Abandoned tasks that began below it are listed last, directly below it.
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
  return annotatedTree(root, () => undefined);
}

/**
 * The same, with notes to some of its nodes.
 *
 * @param noteOf - asked for the scope of each node.
 * @param most - so many nodes are listed, the others counted.
 */
export function annotatedTree(
  root: CancelScope,
  noteOf: (scope: CancelScope) => TreeNote | undefined,
  most = Number.POSITIVE_INFINITY,
): TreeNode {
  let room = most;
  const top = nodeOf(root);
  const now = top.clock.now();
  const whole: Listed = { kind: "root", name: "root", ageMs: 0, ...stateOf(top, false, now), children: [] };
  // A loop, as trees may be deeper than the stack. Scopes without a name are passed over: theirs go to who is above.
  const waiting: Branch[] = [{ node: top, under: whole, level: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { under, level } = next;
    const inner: Branch[] = [];
    for (const node of next.node === top ? atTop(top) : next.node.children()) {
      const shown = node.owner?.entry;
      if (shown !== undefined && level < MAX_LEVELS && room > 0) {
        room--;
        const entry = list(node, shown, now);
        note(entry, noteOf(scopeOf(node)));
        under.children.push(entry);
        inner.push({ node, under: entry, level: level + 1 });
      } else {
        if (shown !== undefined) under.unlisted = (under.unlisted ?? 0) + 1;
        inner.push({ node, under, level });
      }
    }
    for (const branch of inner.reverse()) waiting.push(branch);
  }
  return whole;
}

/** A node of the listing while it is being made. */
interface Listed extends TreeNode {
  readonly children: TreeNode[];
  unlisted?: number;
  about?: NonNullable<TreeNode["about"]>;
}

/** A scope whose children are to be listed, and where. */
interface Branch {
  readonly node: ScopeNode;
  readonly under: Listed;
  readonly level: number;
}

/** What stands directly below the scope that was asked about, and what began below it and was left behind. */
function* atTop(top: ScopeNode): Generator<ScopeNode> {
  yield* top.children();
  const { root } = top;
  if (root === top) return;
  for (const node of root.children()) if (node.owner?.entry?.abandoned && node.beganBelow(top)) yield node;
}

function list(node: ScopeNode, { kind, name, startedAt, abandoned }: TreeEntry, now: number): Listed {
  return { kind, name, ageMs: now - startedAt, ...stateOf(node, abandoned, now), children: [] };
}

function note(entry: Listed, { about, children = [], unlisted = 0 }: TreeNote = {}): void {
  if (about !== undefined) entry.about = about;
  entry.children.push(...children);
  if (unlisted > 0) entry.unlisted = unlisted;
}

function stateOf(node: ScopeNode, abandoned: boolean, now: number): Pick<TreeNode, "state" | "cancellingMs"> {
  if (node.visible === undefined) return { state: abandoned ? "abandoned" : "running" };
  return { state: abandoned ? "abandoned" : "cancelling", cancellingMs: now - cancelledAt(node.visible) };
}
