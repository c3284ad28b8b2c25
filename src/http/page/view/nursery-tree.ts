/** The live tree of nurseries and tasks, as nested lists: a cancel that had no effect yet stands out, with its age. */
import type { TreeJson as Tree } from "../../tree-view.ts";
import { span } from "./format.ts";
import { h, type View } from "./h.ts";
import { name } from "./text.ts";
import { words } from "./words.ts";

/** After so long a cancel that has had no effect is told in red, in ms. */
const SLOW_CANCEL_MS = 1_000;
/** How many nodes are drawn, and how deep. */
const MOST_NODES = 600;
const DEEPEST = 60;

/** The attempt of a task in a tree; null where it is not there. */
export function attemptOf(tree: Tree, id: string): Tree | null {
  const open: Tree[] = [tree];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node.id === id) return node;
    open.push(...node.children);
  }
  return null;
}

export function nurseryTree(tree: Tree): View {
  const room = { left: MOST_NODES };
  return h("div", { class: "tree body" }, h("ul", null, branch(tree, 0, room)));
}

function branch(node: Tree, depth: number, room: { left: number }): View {
  room.left--;
  const shown: View[] = [];
  let unlisted = node.unlisted ?? 0;
  for (const child of node.children) {
    if (room.left > 0 && depth < DEEPEST) shown.push(branch(child, depth + 1, room));
    else unlisted++;
  }
  return h(
    "li",
    null,
    line(node),
    (shown.length > 0 || unlisted > 0) &&
      h("ul", null, shown, unlisted > 0 && h("li", { class: "soft" }, words.task.more(unlisted))),
  );
}

function line({
  name: said,
  kind,
  age_ms: age,
  state,
  cancelling_ms: cancelling,
  id,
  type,
  runner,
  ...node
}: Tree): View {
  const isSlow = cancelling !== undefined && cancelling > SLOW_CANCEL_MS;
  const tone = cancelling === undefined ? "" : isSlow ? "bad" : "warn";
  return h(
    "span",
    { class: `node ${kind} ${tone}` },
    h("span", { class: "dot", "aria-hidden": "true" }),
    h("span", null, name(said, 100)),
    type !== undefined && h("span", { class: "soft" }, name(type, 60)),
    id !== undefined && h("span", { class: "soft id" }, name(id, 40)),
    runner !== undefined && h("span", { class: "soft" }, `${words.executors.pid} ${runner}`),
    h("span", { class: "soft" }, span(age)),
    cancelling !== undefined && h("span", { class: `chip ${tone}` }, words.task.cancelling(span(cancelling))),
    cancelling === undefined && state !== "running" && h("span", { class: "chip" }, name(state, 40)),
    node.blocked_since !== undefined && h("span", { class: "chip bad" }, words.task.blocked),
  );
}
