/** Tasks: what a query finds, page by page. The query stands in the address, so a view can be kept and handed on. */
import type { ListedTask } from "../../../task/record/listed-task.ts";
import type { TaskState } from "../../../task/state.ts";
import { askQueues, askTasks } from "../view/api.ts";
import { count, span } from "../view/format.ts";
import { h, type View } from "../view/h.ts";
import { type Around, type Ask, AskError, definePage, eventsOf, PAGE_ROOT, tasksPath } from "../view/page.ts";
import { ago, type Column, nothing, stateBadge, table, taskLink } from "../view/parts.ts";
import { stateOf, withState } from "../view/query-text.ts";
import { firstLine, lines, name } from "../view/text.ts";
import { words } from "../view/words.ts";
import { progress } from "./overview.ts";

/** How many tasks a page has. */
const PAGE_LENGTH = 50;

/** A task as the table needs it: whole records would make the page heavy. */
export interface TaskRow
  extends Pick<
    ListedTask,
    "id" | "type" | "queue" | "state" | "attempt" | "progress" | "executor" | "started_at" | "finished_at" | "due_at"
  > {
  readonly enqueued_at: number | null;
  readonly error: string | null;
}

export interface TasksData {
  readonly query: string;
  /** What is wrong with the query; null: nothing. */
  readonly problem: string | null;
  readonly rows: readonly TaskRow[];
  readonly cursor: string | null;
  readonly isFirst: boolean;
  readonly looked: number | null;
  /** By state; scheduled and retrying are counted as one. */
  readonly counts: Readonly<Partial<Record<TaskState, number>>>;
}

export const tasks = definePage<TasksData>({
  name: "tasks",
  title: ({ query }) => (query === "" ? words.pages.tasks : query),
  async load(ask, url) {
    const query = url.searchParams.get("q")?.trim() ?? "";
    const from = url.searchParams.get("cursor");
    const found = await foundBy(query, from, ask);
    const { queues } = await askQueues(ask);
    const sum = (key: "queued" | "running" | "scheduled" | "dead" | "done" | "cancelled") =>
      queues.reduce((all, queue) => all + queue[key], 0);
    return {
      query,
      problem: found.problem,
      rows: found.tasks.map(rowOf),
      cursor: found.cursor,
      isFirst: from === null,
      looked: found.looked ?? null,
      counts: {
        ...{ queued: sum("queued"), running: sum("running"), scheduled: sum("scheduled") },
        ...{ done: sum("done"), dead: sum("dead"), cancelled: sum("cancelled") },
      },
    };
  },
  view: (data, around) =>
    h(
      "div",
      { class: "stack" },
      heading(data),
      states(data),
      data.problem !== null && h("p", { class: "health warn", role: "alert" }, lines(data.problem, 1_000)),
      around.may.includes("cancelTasks") && h("div", { class: "bulk scripted", id: "bulk", hidden: true }),
      data.rows.length === 0
        ? h("section", { class: "panel" }, nothing(words.tasks.none, words.tasks.noneHint))
        : h("section", { class: "panel" }, rows(data, around)),
      foot(data, around),
    ),
  // A query that cannot be read finds nothing later, either.
  streams: ({ problem }) => (problem === null ? [eventsOf("tasks", "queues")] : []),
});

/** A query that cannot be read is told in its place. */
async function foundBy(query: string, cursor: string | null, ask: Ask) {
  try {
    return { ...(await askTasks(ask, { q: query, cursor, limit: String(PAGE_LENGTH) })), problem: null };
  } catch (error) {
    if (!(error instanceof AskError) || error.status !== 400) throw error;
    return { tasks: [], cursor: null, looked: 0, problem: error.message };
  }
}

function rowOf(task: ListedTask): TaskRow {
  const { id, type, queue, state, attempt, progress: done, executor, started_at, finished_at, due_at } = task;
  const said = task.error === null ? (task.reason ?? "") : `${task.error.name}: ${task.error.message}`;
  return {
    ...{ id, type, queue, state, attempt, progress: done, executor, started_at, finished_at, due_at },
    enqueued_at: task.enqueued_at,
    error: said === "" ? null : firstLine(said, 160),
  };
}

function heading({ query }: TasksData): View {
  const views = Object.entries(words.tasks.views).map(([saved, title]) =>
    h("li", null, h("a", { class: "chip", href: tasksPath(saved) }, title)),
  );
  return h(
    "div",
    { class: "title" },
    h("h1", null, words.pages.tasks),
    query !== "" && h("code", { class: "soft" }, name(query, 200)),
    h("ul", { class: "views", id: "views", "aria-label": words.tasks.saved }, views),
  );
}

const CHIPS: readonly TaskState[] = ["queued", "running", "scheduled", "retrying", "done", "dead", "cancelled"];

function states({ query, counts }: TasksData): View {
  const current = stateOf(query);
  const chips = CHIPS.map((state) => {
    const isCurrent = state === current;
    const href = tasksPath(withState(query, isCurrent ? null : state));
    const number = counts[state];
    return h(
      "li",
      null,
      h(
        "a",
        { href, "aria-current": isCurrent ? "true" : null },
        stateBadge(state),
        number !== undefined && h("span", { class: "soft" }, count(number)),
      ),
    );
  });
  const all = h(
    "li",
    null,
    h(
      "a",
      { href: tasksPath(withState(query, null)), "aria-current": current === null ? "true" : null },
      words.tasks.all,
    ),
  );
  return h("ul", { class: "filters", "aria-label": words.columns.state }, all, chips);
}

function columnsFor(around: Around): Column[] {
  const { columns } = words;
  return [
    ...(around.may.includes("cancelTasks")
      ? [{ title: words.tasks.selectAll, kind: "pick scripted", hidden: true } as const]
      : []),
    { title: columns.state },
    { title: columns.type },
    { title: columns.id },
    { title: columns.queue, kind: "mid" },
    { title: columns.attempt, kind: "n wide" },
    { title: columns.age, kind: "n wide" },
    { title: columns.ran, kind: "n wide" },
    { title: columns.progress, kind: "wide" },
  ];
}

function rows({ rows: all }: TasksData, around: Around): View {
  return table(
    words.pages.tasks,
    columnsFor(around),
    all.map((row) => taskRow(row, around)),
  );
}

function taskRow(row: TaskRow, around: Around): View {
  const { id, type, queue, state, attempt, enqueued_at: enqueued, started_at: started, finished_at: finished } = row;
  const ran = started === null ? null : (finished ?? around.now) - started;
  const pick = h("input", { type: "checkbox", "data-pick": id, "aria-label": words.tasks.select(name(id, 40)) });
  return h(
    "tr",
    { key: id, "data-row": id, "data-state": state },
    around.may.includes("cancelTasks") && h("td", { class: "pick scripted" }, pick),
    h("td", null, stateBadge(state)),
    h("td", null, h("a", { href: tasksPath(`type:${quoted(type)}`) }, name(type, 48))),
    h("th", { scope: "row" }, taskLink(id)),
    h("td", { class: "mid" }, name(queue, 40)),
    h("td", { class: "n wide" }, count(attempt)),
    h("td", { class: "n wide" }, enqueued === null ? "–" : span(around.now - enqueued)),
    h("td", { class: "n wide" }, span(ran)),
    h("td", { class: "wide told" }, told(row, around)),
  );
}

/** How far it is, when it is due, or what went wrong. */
function told({ state, progress: done, error, due_at: due, type }: TaskRow, around: Around): View | string {
  if (state === "running") return progress(done, type);
  if ((state === "scheduled" || state === "retrying") && due !== null) {
    return h("span", null, ago(due, around), error !== null && h("span", { class: "soft" }, ` ${error}`));
  }
  return error === null ? h("span", { class: "soft" }, "–") : h("span", { class: "soft", title: error }, error);
}

/** A value of a query, in quotes where it has spaces. */
function quoted(value: string): string {
  return /\s/.test(value) ? `"${value.replaceAll('"', "")}"` : value;
}

function foot({ query, cursor, isFirst, looked }: TasksData, around: Around): View {
  const next = new URLSearchParams({ ...(query === "" ? {} : { q: query }), cursor: cursor ?? "" });
  return h(
    "div",
    { class: "foot" },
    h("span", { class: "soft" }, looked === null ? words.tasks.order : words.tasks.looked(looked, cursor !== null)),
    !isFirst && h("a", { class: "button", href: query === "" ? around.path : tasksPath(query) }, words.tasks.first),
    cursor !== null &&
      h(
        "a",
        { class: "button", href: `${PAGE_ROOT}/tasks?${next}`, rel: "next" },
        looked === null ? words.tasks.next : words.tasks.goOn,
      ),
  );
}
