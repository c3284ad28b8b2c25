/** Types: who runs each, pausing it, and a form that enqueues one, made from the schema of its payload. */
import { askType, askTypes, type TypeAnswer, type TypesAnswer } from "../view/api.ts";
import { count } from "../view/format.ts";
import { h, type View } from "../view/h.ts";
import { type Around, definePage, eventsOf, PAGE_ROOT, tasksPath } from "../view/page.ts";
import { type Column, nothing, pausedMark, section, stateBadge, table } from "../view/parts.ts";
import { schemaForm } from "../view/schema-form.ts";
import { name } from "../view/text.ts";
import { words } from "../view/words.ts";

export interface TypesData {
  readonly answer: TypesAnswer;
  /** The one that is to be enqueued; null: none. */
  readonly chosen: TypeAnswer | null;
}

export const types = definePage<TypesData>({
  name: "types",
  title: ({ chosen }) => chosen?.type ?? words.pages.types,
  async load(ask, url) {
    const type = url.searchParams.get("type");
    return { answer: await askTypes(ask), chosen: type === null || type === "" ? null : await askType(ask, type) };
  },
  view: ({ answer, chosen }, around) =>
    h(
      "div",
      { class: "stack" },
      h("div", { class: "title" }, h("h1", null, words.pages.types)),
      chosen !== null && schemaForm(chosen, around),
      section(words.types.title, {}, typeTable(answer, around)),
      answer.more && h("p", { class: "soft" }, words.types.more),
    ),
  streams: () => [eventsOf("types")],
});

const COLUMNS: readonly Column[] = [
  { title: words.columns.type },
  { title: words.types.known, kind: "n" },
  { title: words.pages.tasks, kind: "wide" },
];

function typeTable({ types: all }: TypesAnswer, around: Around): View {
  if (all.length === 0) return nothing(words.types.none);
  const canChange = around.may.includes("enqueueTasks");
  const actions: Column[] = canChange ? [{ title: words.columns.actions, kind: "n scripted", hidden: true }] : [];
  const rows = all.map((type) => typeRow(type, canChange, around));
  return table(words.types.title, [...COLUMNS, ...actions], rows);
}

const STATES = ["running", "queued", "retrying", "dead"] as const;

function typeRow(
  { type, executors, paused, loaded }: TypesAnswer["types"][number],
  canChange: boolean,
  { may }: Around,
): View {
  const what = paused ? "resume" : "pause";
  const links = STATES.map((state) => h("a", { href: tasksPath(`state:${state} type:${type}`) }, stateBadge(state)));
  const shown = name(type);
  return h(
    "tr",
    { key: type, "data-row": type, "data-kind": "type" },
    h(
      "th",
      { scope: "row" },
      h("a", { href: tasksPath(`type:${type}`) }, shown),
      paused && pausedMark(),
      loaded && h("span", { class: "chip" }, words.types.here),
    ),
    h("td", { class: "n" }, executors === 0 ? words.nobody : count(executors)),
    h("td", { class: "wide" }, h("span", { class: "states" }, links)),
    canChange &&
      h(
        "td",
        { class: "n scripted" },
        h(
          "a",
          { class: "button", href: `${PAGE_ROOT}/types?type=${encodeURIComponent(type)}` },
          words.actions.enqueue,
          h("span", { class: "heard" }, ` ${shown}`),
        ),
        may.includes("pauseType") &&
          h(
            "button",
            {
              ...{ type: "button", class: "quiet", "data-do": what, "data-kind": "type", "data-name": type },
              "aria-label": `${words.actions[what]} ${shown}`,
            },
            words.actions[what],
          ),
      ),
  );
}
