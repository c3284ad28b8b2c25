/**
 * The one way in which views make elements: hono/jsx on the server; the build puts hono/jsx/dom in its place for the
 * browser. Children are text, numbers and other elements only, so nothing that came from a task is ever markup.
 */
import { jsx } from "hono/jsx";

export type View = ReturnType<typeof jsx>;
export type Child = View | string | number | null | undefined | false | readonly Child[];
export type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** An element. Attributes that are null, undefined or false are left out. */
export function h(tag: string, attributes: Attributes | null, ...children: readonly Child[]): View {
  const said = Object.entries(attributes ?? {}).filter(([, value]) => value !== null && value !== undefined);
  return jsx(tag, Object.fromEntries(said), ...children.flatMap(flat));
}

/** Array.isArray does not see through readonly. */
function isList(child: Child): child is readonly Child[] {
  return Array.isArray(child);
}

function flat(child: Child): (View | string | number)[] {
  if (child === null || child === undefined || child === false) return [];
  return isList(child) ? child.flatMap(flat) : [child];
}

/** An icon of the frame: paths of a square of 24, drawn in the colour of the text. */
export function icon(path: string, label?: string): View {
  const shown = label === undefined ? { "aria-hidden": "true" } : { role: "img", "aria-label": label };
  return h("svg", { class: "icon", viewBox: "0 0 24 24", width: 16, height: 16, ...shown }, h("path", { d: path }));
}
