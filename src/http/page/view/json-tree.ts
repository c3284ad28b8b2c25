/** A JSON text as a tree that opens and closes: native details, exact numbers, texts as text. */
import { type JsonNode, treeOf } from "./exact-json.ts";
import { h, type View } from "./h.ts";
import { lines, name } from "./text.ts";
import { words } from "./words.ts";

/** So many levels are open. */
const OPEN_LEVELS = 3;

/** @param json - a text that is none, as one that was cut, is shown as it is. */
export function jsonTree(json: string): View {
  const tree = treeOf(json);
  if (tree === null) return h("pre", { class: "wrap body", tabindex: 0 }, lines(json));
  return h("div", { class: "json body" }, node(null, tree, 0));
}

function node(key: string | null, value: JsonNode, depth: number): View {
  const label = key === null ? null : h("span", { class: "key" }, name(key, 200), h("span", { class: "soft" }, ": "));
  switch (value.kind) {
    case "plain":
      return h("div", null, label, h("span", { class: "plain" }, name(value.text, 2_000)));
    case "text":
      return h("div", null, label, h("span", { class: "text" }, `"${lines(value.text, 4_000)}"`));
    case "list": {
      const size = value.items.length + value.left;
      if (size === 0) return h("div", null, label, "[]");
      const items = value.items.map((item, at) => node(String(at), item, depth + 1));
      return branch(label, words.task.items(size), items, value.left, depth);
    }
    case "object": {
      const size = value.entries.length + value.left;
      if (size === 0) return h("div", null, label, "{}");
      const entries = value.entries.map(([name_, entry]) => node(name_, entry, depth + 1));
      return branch(label, words.task.fields(size), entries, value.left, depth);
    }
  }
}

function branch(label: View | null, size: string, children: readonly View[], left: number, depth: number): View {
  return h(
    "details",
    { open: depth < OPEN_LEVELS && children.length <= 100 },
    h("summary", null, label, h("span", { class: "soft" }, size)),
    children,
    left > 0 && h("div", { class: "soft" }, words.task.more(left)),
  );
}
