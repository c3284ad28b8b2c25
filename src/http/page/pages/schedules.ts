/** Schedules: when each fires, what it runs, what became of its last runs. */
import { askSchedules, type SchedulesAnswer } from "../view/api.ts";
import { count } from "../view/format.ts";
import { h, type View } from "../view/h.ts";
import { type Around, definePage, eventsOf, taskPath, tasksPath } from "../view/page.ts";
import { ago, type Column, moment, nothing, pausedMark, section, stateBadge, table } from "../view/parts.ts";
import { name } from "../view/text.ts";
import { words } from "../view/words.ts";

export const schedules = definePage<SchedulesAnswer>({
  name: "schedules",
  title: () => words.pages.schedules,
  load: async (ask) => {
    const { schedules: all, cursor } = await askSchedules(ask);
    // Payloads have no place here.
    return { schedules: all.map((each) => ({ ...each, payload: null })), cursor };
  },
  view: (answer, around) =>
    h(
      "div",
      { class: "stack" },
      h("div", { class: "title" }, h("h1", null, words.pages.schedules)),
      section(words.schedules.title, {}, list(answer, around)),
    ),
  streams: () => [eventsOf("queues")],
});

type Schedule = SchedulesAnswer["schedules"][number];

const COLUMNS: readonly Column[] = [
  { title: words.schedules.name },
  { title: words.schedules.cron },
  { title: words.columns.type },
  { title: words.schedules.next, kind: "n" },
  { title: words.schedules.last, kind: "n mid" },
  { title: words.schedules.runs, kind: "mid" },
  { title: words.schedules.skipped, kind: "n mid" },
];

function list({ schedules: all, cursor }: SchedulesAnswer, around: Around): View {
  if (all.length === 0) return nothing(words.schedules.none, h("code", null, words.schedules.hint));
  const canChange = around.may.includes("pauseSchedule");
  const actions: Column[] = canChange ? [{ title: words.columns.actions, kind: "n scripted", hidden: true }] : [];
  const rows = all.map((schedule) => row(schedule, canChange, around));
  return h("div", null, table(words.schedules.title, [...COLUMNS, ...actions], rows), [
    cursor !== null && h("p", { class: "soft" }, words.schedules.more),
  ]);
}

function row(schedule: Schedule, canChange: boolean, around: Around): View {
  const { name: title, cron, timezone, type, paused, next_at: next, last_at: last, runs, skipped } = schedule;
  const newest = runs.toReversed().slice(0, 5);
  return h(
    "tr",
    { key: title, "data-row": title, "data-kind": "schedule" },
    h("th", { scope: "row" }, name(title, 60), paused && pausedMark()),
    h(
      "td",
      null,
      h("code", null, name(cron, 60)),
      timezone !== null && h("span", { class: "soft" }, ` ${name(timezone, 40)}`),
    ),
    h("td", null, h("a", { href: tasksPath(`type:${type}`) }, name(type, 60))),
    h("td", { class: "n" }, paused ? "–" : next === null ? "–" : [ago(next, around), " ", moment(next, around)]),
    h("td", { class: "n mid" }, ago(last, around)),
    h(
      "td",
      { class: "mid" },
      h(
        "span",
        { class: "states" },
        newest.map(({ id, state, at }) =>
          h("a", { href: taskPath(id), key: `${id} ${at}` }, state === null ? moment(at, around) : stateBadge(state)),
        ),
      ),
    ),
    h("td", { class: "n mid" }, count(skipped)),
    canChange && h("td", { class: "n scripted" }, action("run", title), action(paused ? "resume" : "pause", title)),
  );
}

function action(what: "run" | "pause" | "resume", schedule: string): View {
  return h(
    "button",
    {
      ...{ type: "button", class: "quiet", "data-do": what, "data-kind": "schedule", "data-name": schedule },
      "aria-label": `${words.actions[what]} ${name(schedule)}`,
    },
    words.actions[what],
  );
}
