/** The small parts that all views are made of: badges of states, tiles, tables, times, bars. */
import type { TaskState } from "../../../task/state.ts";
import { clock, fullTime, isoTime, span } from "./format.ts";
import { type Child, h, type View } from "./h.ts";
import { type Around, taskPath } from "./page.ts";
import { name } from "./text.ts";
import { words } from "./words.ts";

/** Of a square of 12: what a state looks like without its colour. */
const MARKS: Readonly<Record<TaskState, string>> = {
  queued: "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9z",
  running: "M3 1.5v9l7.5-4.5z",
  done: "M1.5 6.5l3 3l6-7",
  retrying: "M10 6a4 4 0 1 1-1.4-3M10 1v2.4h-2.4",
  scheduled: "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9zM6 3.5v2.7l1.8 1.2",
  dead: "M2 2l8 8M10 2l-8 8",
  cancelled: "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9zM3 9l6-6",
};

/** A state: a mark, a word and a colour. */
export function stateBadge(state: TaskState): View {
  const mark = h("svg", { class: "mark", viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" }, [
    h("path", { d: MARKS[state] }),
  ]);
  return h("span", { class: `state ${state}` }, mark, words.states[state]);
}

/** A figure with what it is, and a line beneath it. */
export function tile(tile: {
  readonly label: string;
  readonly figure: string;
  readonly note: Child;
  readonly href: string;
  readonly tone?: "bad" | "quiet" | undefined;
  readonly more?: Child;
}): View {
  const { label, figure, note, href, tone, more } = tile;
  return h(
    "a",
    { class: `tile ${tone ?? ""}`, href },
    h("span", { class: "label" }, label),
    h("strong", { class: "figure" }, figure),
    h("span", { class: "note" }, note),
    more,
  );
}

export interface Column {
  readonly title: string;
  /** `n`: a number, to the right. `wide`, `mid`: left out where the window is narrow. */
  readonly kind?: string;
  /** Only for those who hear the table. */
  readonly hidden?: true;
}

/** A native table that scrolls by itself where it must. */
export function table(caption: string, columns: readonly Column[], rows: readonly View[]): View {
  const heads = columns.map(({ title, kind, hidden }) =>
    h("th", { scope: "col", class: kind }, hidden ? h("span", { class: "heard" }, title) : title),
  );
  return h(
    "div",
    { class: "scroll", role: "region", "aria-label": caption, tabindex: 0 },
    h(
      "table",
      null,
      h("caption", { class: "heard" }, caption),
      h("thead", null, h("tr", null, heads)),
      h("tbody", null, rows),
    ),
  );
}

/** A section with its heading. */
export function section(
  title: string,
  attributes: { readonly class?: string; readonly aside?: Child },
  ...body: Child[]
) {
  const head = h("div", { class: "head" }, h("h2", null, title), attributes.aside);
  // By its title it is the same one when others come or go: what has the focus in it keeps that.
  return h("section", { key: title, class: `panel ${attributes.class ?? ""}` }, head, body);
}

/** What stands where there is nothing. */
export function nothing(text: string, hint?: Child): View {
  return h("div", { class: "empty" }, h("p", null, text), hint === undefined ? null : h("p", { class: "soft" }, hint));
}

/** A moment, as its distance from now; the exact time is its title. Unix ms. */
export function ago(at: number | null, { now, zone }: Around): View {
  if (at === null) return h("span", { class: "soft" }, words.age.never);
  const text = at > now + 500 ? words.age.ahead(span(at - now)) : words.age.ago(span(now - at));
  return h("time", { datetime: isoTime(at), title: fullTime(at, zone) }, text);
}

/** A moment, as a clock shows it. */
export function moment(at: number | null, { now, zone }: Around): View {
  if (at === null) return h("span", { class: "soft" }, "–");
  return h("time", { datetime: isoTime(at), title: fullTime(at, zone) }, clock(at, zone, now));
}

/** The id of a task, which leads to its page. Ids that were drawn are told apart by their ends. */
export function taskLink(id: string): View {
  const shown = /^[0-9a-f]{32}$/.test(id) ? `${id.slice(0, 8)}…${id.slice(-6)}` : name(id, 40);
  return h("a", { class: "id", href: taskPath(id), title: name(id, 500) }, shown);
}

/** A share of a whole: native, so that it is read out. */
export function meter(value: number, most: number, label: string, tone = ""): View {
  return h("meter", { class: tone, min: 0, max: Math.max(1, most), value: Math.min(value, most), "aria-label": label });
}

export function pausedMark(): View {
  return h("span", { class: "chip warn" }, words.paused);
}
