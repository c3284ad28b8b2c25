/** One task: its attempts on lanes, what runs of it just now, what came in and out, its errors and its log. */
import { hasEnded } from "../../../task/state.ts";
import type { TreeJson as Tree } from "../../tree-view.ts";
import { askTask, askTree } from "../view/api.ts";
import { membersOf } from "../view/exact-json.ts";
import { bytes, clock, count, span } from "../view/format.ts";
import { h, type View } from "../view/h.ts";
import { jsonTree } from "../view/json-tree.ts";
import { lanes } from "../view/lanes.ts";
import { attemptOf, nurseryTree } from "../view/nursery-tree.ts";
import { type Around, AskError, definePage, eventsOf, taskPath, tasksPath } from "../view/page.ts";
import { meter, moment, nothing, section, stateBadge } from "../view/parts.ts";
import { lines, name } from "../view/text.ts";
import { words } from "../view/words.ts";
import type { Shown, TaskData } from "./task-data.ts";
import { commands, errors } from "./task-parts.ts";

/** How much of a payload or a result is shown, in characters, and how many lines of a log. */
const MOST_JSON = 64_000;
const MOST_LINES = 300;

export const task = definePage<TaskData>({
  name: "task",
  title: ({ task: { type, id } }) => `${type} ${id}`,
  async load(ask, url) {
    const id = idIn(url);
    const { text, answer } = await askTask(ask, id);
    const { payload: _payload, result, message: _message, logs, ...rest } = answer;
    const members = membersOf(text);
    return {
      task: rest,
      payload: shownOf(members.get("payload") ?? "null"),
      result: result === null ? null : shownOf(members.get("result") ?? "null"),
      logs: logs.slice(-MOST_LINES),
      logsLeft: Math.max(0, logs.length - MOST_LINES),
      tree: rest.state === "running" ? await liveTree(() => askTree(ask), id) : null,
    };
  },
  view: (data, around) =>
    h(
      "div",
      { class: "stack" },
      heading(data, around),
      ending(data),
      section(words.task.lanes, {}, lanes(data.task, around)),
      h(
        "div",
        { class: "columns" },
        h("div", { class: "stack" }, json(words.task.payload, data.payload), result(data), errors(data.task, around)),
        h("div", { class: "stack" }, facts(data, around), tree(data), log(data, around), commands(data.task)),
      ),
    ),
  // The watch of one task tells more of it, its log too, and ends with it.
  streams: ({ task: { id, state } }) =>
    hasEnded(state) ? [] : [eventsOf(), `/api/v1/tasks/${encodeURIComponent(id)}/watch`],
});

function idIn({ pathname }: URL): string {
  try {
    return decodeURIComponent(pathname.split("/").at(-1) ?? "");
  } catch {
    throw new AskError(404, words.problems.notFound);
  }
}

/** The tree is a further look: a page without it is a page. */
async function liveTree(look: () => Promise<Tree>, id: string): Promise<Tree | null> {
  try {
    return attemptOf(await look(), id);
  } catch (error) {
    if (error instanceof AskError) return null;
    throw error;
  }
}

function shownOf(text: string): Shown {
  return { text: text.slice(0, MOST_JSON), isCut: text.length > MOST_JSON };
}

function heading({ task: { id, type, state, progress } }: TaskData, { may }: Around): View {
  const isLiving = !hasEnded(state);
  const action = (what: "cancel" | "retry", tone: string): View =>
    h("button", { type: "button", class: `scripted ${tone}`, "data-do": what, "data-id": id }, words.actions[what]);
  return h(
    "div",
    { class: "title" },
    h("h1", null, h("a", { href: tasksPath(`type:${type}`) }, name(type, 80))),
    stateBadge(state),
    state === "running" && progress > 0 && h("span", { class: "soft" }, `${Math.round(progress * 100)}\u202f%`),
    h("code", { class: "soft id" }, name(id, 200)),
    h(
      "div",
      { class: "actions" },
      may.includes("promoteTask") && (state === "scheduled" || state === "retrying") && runNow(id),
      may.includes("cancelTasks") && isLiving && action("cancel", "bad"),
      may.includes("retryTasks") && (state === "dead" || state === "cancelled") && action("retry", "primary"),
    ),
    state === "running" && progress > 0 && meter(progress, 1, words.columns.progress, "whole"),
  );
}

function runNow(id: string): View {
  const about = { "data-do": "promote", "data-kind": "task", "data-name": id };
  return h("button", { type: "button", class: "scripted", ...about }, words.actions.run);
}

/** Why it has ended so, at the top: it is what people come for. */
function ending({ task: { state, reason, error } }: TaskData): View | null {
  if (state !== "dead" && state !== "cancelled" && state !== "retrying") return null;
  const said = error === null ? null : `${error.name}: ${error.message}`;
  if (reason === null && said === null) return null;
  return h(
    "section",
    { key: "ending", class: `health ${state === "dead" ? "bad" : "warn"}`, "aria-label": words.task.reason },
    reason !== null && h("p", null, lines(reason, 600)),
    said !== null && said !== reason && h("pre", { class: "wrap" }, lines(said, 1_200)),
  );
}

function facts({ task }: TaskData, around: Around): View {
  const { task: said } = words;
  const started = task.started_at;
  const waited = task.enqueued_at === null || started === null ? null : started - task.enqueued_at;
  const ran = started === null ? null : (task.finished_at ?? around.now) - started;
  const rows: (readonly [string, View | string | null])[] = [
    [said.queue, h("a", { href: tasksPath(`queue:${task.queue}`) }, name(task.queue))],
    [said.priority, count(task.priority)],
    [said.attempts, count(task.attempt)],
    [said.crashes, task.crashes > 0 ? count(task.crashes) : null],
    [said.executor, task.executor === null ? null : name(task.executor)],
    [said.enqueued, moment(task.enqueued_at, around)],
    [said.due, task.due_at === null ? null : moment(task.due_at, around)],
    [said.started, started === null ? null : moment(started, around)],
    [said.finished, task.finished_at === null ? null : moment(task.finished_at, around)],
    [said.wait, task.attempt === 1 && waited !== null ? span(waited) : null],
    [said.run, ran === null ? null : span(ran)],
    [
      said.parent,
      task.parent === null ? null : h("a", { class: "id", href: taskPath(task.parent) }, name(task.parent)),
    ],
  ];
  const shown = rows.filter(([, value]) => value !== null);
  return section(
    said.facts,
    {},
    h(
      "dl",
      { class: "facts" },
      shown.map(([title, value]) => [h("dt", null, title), h("dd", null, value)]),
    ),
  );
}

function json(title: string, { text, isCut }: Shown): View {
  const aside = h("span", { class: "soft" }, bytes(text.length));
  return section(title, { aside }, jsonTree(text), isCut && h("p", { class: "soft" }, words.task.cutPayload));
}

function result({ task: { result_omitted: omitted, state }, result: shown }: TaskData): View | null {
  if (omitted !== null) return section(words.task.result, {}, h("p", null, words.task.omitted(lines(omitted, 300))));
  if (shown !== null) return json(words.task.result, shown);
  return state === "done" ? section(words.task.result, {}, nothing(words.task.noResult)) : null;
}

function tree({ tree: live, task: { state, executor } }: TaskData): View | null {
  if (live !== null) return section(words.task.tree, {}, nurseryTree(live));
  if (state !== "running" || executor === null) return null;
  return section(words.task.tree, {}, nothing(words.task.treeElsewhere(name(executor))));
}

function log({ logs, logsLeft, task }: TaskData, { now, zone }: Around): View {
  const rows = logs.map(({ at, level, text }) =>
    h(
      "li",
      { class: level },
      h("time", null, clock(at, zone, now)),
      h("span", { class: "level" }, level),
      h("span", { class: "line" }, lines(text, 2_000)),
    ),
  );
  const steps = task.progress_msg.trim();
  return section(
    words.task.log,
    { aside: logsLeft > 0 ? h("span", { class: "soft" }, words.task.cutLog(logsLeft)) : null },
    rows.length === 0
      ? nothing(words.task.noLog)
      : h("ol", { class: "log", tabindex: 0, "aria-label": words.task.log, "data-follow": "" }, rows),
    steps !== "" &&
      h(
        "details",
        { class: "more" },
        h("summary", null, words.task.progressLog),
        h("pre", { class: "wrap", tabindex: 0 }, lines(steps, 4_000)),
      ),
  );
}
