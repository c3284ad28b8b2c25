/** Dead tasks, grouped by their type and the kind of their error, so that a thousand of one cause are one row. */
import type { ListedTask } from "../../../task/record/listed-task.ts";
import { askQueues, askTasks } from "../view/api.ts";
import { count } from "../view/format.ts";
import { h, type View } from "../view/h.ts";
import { type Around, type Ask, definePage, eventsOf, tasksPath } from "../view/page.ts";
import { ago, type Column, nothing, section, table, taskLink } from "../view/parts.ts";
import { firstLine, name } from "../view/text.ts";
import { words } from "../view/words.ts";

/** How many dead tasks are grouped, read in pages of so many. */
const MOST_GROUPED = 2_000;
const PAGE_LENGTH = 500;
/** How many groups are told. */
const MOST_GROUPS = 200;

interface Group {
  readonly type: string;
  readonly kind: string;
  /** Of one of them. */
  readonly message: string;
  readonly example: string;
  count: number;
  first: number;
  last: number;
}

export interface DeadData {
  readonly groups: readonly Group[];
  /** How many were grouped, and how many dead tasks there are. */
  readonly grouped: number;
  readonly all: number;
}

export const dead = definePage<DeadData>({
  name: "dead",
  title: () => words.dead.title,
  async load(ask) {
    const { queues } = await askQueues(ask);
    const all = queues.reduce((sum, queue) => sum + queue.dead, 0);
    return { ...(await groupsOf(ask)), all };
  },
  view: (data, around) =>
    h(
      "div",
      { class: "stack" },
      h(
        "div",
        { class: "title" },
        h("h1", null, words.pages.dead),
        data.all > 0 && h("span", { class: "soft" }, words.dead.looked(data.grouped, data.all)),
      ),
      section(words.dead.title, {}, groupTable(data, around)),
    ),
  streams: () => [eventsOf("queues")],
});

async function groupsOf(ask: Ask): Promise<Pick<DeadData, "groups" | "grouped">> {
  const groups = new Map<string, Group>();
  let grouped = 0;
  let cursor: string | null = null;
  do {
    const page = await askTasks(ask, { state: "dead", limit: String(PAGE_LENGTH), cursor });
    for (const task of page.tasks) add(groups, task);
    grouped += page.tasks.length;
    cursor = page.cursor;
  } while (cursor !== null && grouped < MOST_GROUPED);
  const sorted = [...groups.values()].sort((a, b) => b.count - a.count);
  return { groups: sorted.slice(0, MOST_GROUPS), grouped };
}

function add(groups: Map<string, Group>, task: ListedTask): void {
  const kind = task.error?.name ?? firstLine(task.reason ?? words.dead.noError, 80);
  const key = JSON.stringify([task.type, kind]);
  const at = task.finished_at ?? task.enqueued_at ?? 0;
  const known = groups.get(key);
  if (known === undefined) {
    const message = firstLine(task.error?.message ?? task.reason ?? "", 160);
    groups.set(key, { type: task.type, kind, message, example: task.id, count: 1, first: at, last: at });
    return;
  }
  known.count++;
  known.first = Math.min(known.first, at);
  known.last = Math.max(known.last, at);
}

const COLUMNS: readonly Column[] = [
  { title: words.columns.type },
  { title: words.dead.group },
  { title: words.dead.tasks, kind: "n" },
  { title: words.dead.first, kind: "n mid" },
  { title: words.dead.last, kind: "n" },
  { title: words.dead.example, kind: "mid" },
];

function groupTable({ groups }: DeadData, around: Around): View {
  if (groups.length === 0) return nothing(words.dead.none, words.dead.noneHint);
  const canChange = around.may.includes("retryTasks");
  const actions: Column[] = canChange ? [{ title: words.columns.actions, kind: "n scripted", hidden: true }] : [];
  return table(
    words.dead.title,
    [...COLUMNS, ...actions],
    groups.map((group) => groupRow(group, canChange, around)),
  );
}

function groupRow(
  { type, kind, message, example, count: number, first, last }: Group,
  canChange: boolean,
  around: Around,
): View {
  const query = `state:dead type:${type} error:${JSON.stringify(kind.replaceAll('"', ""))}`;
  const button = (what: "retry" | "purge"): View =>
    h(
      "button",
      {
        ...{ type: "button", class: what === "retry" ? "" : "quiet bad", "data-do": what, "data-query": query },
        "aria-label": `${words.actions[what]} ${name(type)} ${name(kind)}`,
      },
      words.actions[what],
    );
  return h(
    "tr",
    { key: `${type} ${kind}`, "data-row": query, "data-kind": "group" },
    h("th", { scope: "row" }, h("a", { href: tasksPath(query) }, name(type, 60))),
    h(
      "td",
      { class: "told" },
      h("strong", { class: "bad" }, name(kind, 60)),
      " ",
      h("span", { class: "soft" }, message),
    ),
    h("td", { class: "n" }, count(number)),
    h("td", { class: "n mid" }, ago(first, around)),
    h("td", { class: "n" }, ago(last, around)),
    h("td", { class: "mid" }, taskLink(example)),
    canChange && h("td", { class: "n scripted" }, button("retry"), button("purge")),
  );
}
