// The live tree of nurseries and tasks as text for people: one line a node, two spaces a level.
// Promises that its size grows with the number of nodes alone, and that no name can steer a terminal.

import type { TreeNode } from "./tree.ts";

/** Beyond this depth lines are not moved further in, else the text of a deep tree grows with its square. */
const MAX_INDENT = 64;

/**
 * What {@link snapshotTree} gave, as text that ends with a newline. A line is `name  age  state`, the state with how
 * long ago the cancel was called where one is visible; ages are in ms below 10 s, then s, min, h. What else is known of
 * a node stands behind that. Where the listing ends, the line ends with how many `more below` there are.
 *
 * @example
 * ```ts
 * import { openRoot, snapshotTree, treeText } from "taskexe/concurrency";
 *
 * console.log(treeText(snapshotTree(openRoot()))); // "root  0 ms  running\n"
 * ```
 */
export function treeText(root: TreeNode): string {
  const lines: string[] = [];
  // A stack, not recursion: the tree can be thousands of nurseries deep.
  const open: { node: TreeNode; depth: number }[] = [{ node: root, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, depth } = next;
    lines.push(
      `${"  ".repeat(Math.min(depth, MAX_INDENT))}${oneLine(node.name)}  ${age(node.ageMs)}  ` +
        `${stateOf(node)}${about(node)}${more(node)}\n`,
    );
    for (const child of node.children.toReversed()) open.push({ node: child, depth: depth + 1 });
  }
  return lines.join("");
}

function stateOf({ state, cancellingMs }: TreeNode): string {
  return cancellingMs === undefined ? state : `${state} (${age(cancellingMs)})`;
}

function about({ about: known = {} }: TreeNode): string {
  return Object.entries(known)
    .map(([key, value]) => `  ${key.replaceAll("_", " ")} ${oneLine(String(value))}`)
    .join("");
}

function more({ unlisted }: TreeNode): string {
  return unlisted === undefined ? "" : `  ${unlisted} more below`;
}

/**
 * Names can hold what producers wrote (task ids): no line breaks, no terminal escapes, nothing that turns or hides
 * text.
 */
function oneLine(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "?");
}

function age(ms: number): string {
  if (ms < 10_000) return `${Math.round(ms)} ms`;
  if (ms < 600_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 36_000_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}
