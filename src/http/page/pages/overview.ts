/**
 * Overview: one sentence of health, the figures of the fleet, what it has done over time, its queues, and what runs on
 * this executor.
 */
import type { ExecutorStatus } from "../../../executor/status/status.ts";
import { askStatus } from "../view/api.ts";
import { at, count, span } from "../view/format.ts";
import { h, type View } from "../view/h.ts";
import { type Finding, failedAttempts, findings, livingMembers, slotsOf } from "../view/health.ts";
import { oldestOf } from "../view/oldest.ts";
import { type Around, definePage, eventsOf, PAGE_ROOT, tasksPath } from "../view/page.ts";
import { type Column, meter, nothing, section, table, taskLink, tile } from "../view/parts.ts";
import { name } from "../view/text.ts";
import { words } from "../view/words.ts";
import { overTime } from "./over-time.ts";
import { chartsOf, historyOf, type OverviewData } from "./overview-data.ts";
import { queueTable } from "./queues.ts";

export const overview = definePage<OverviewData>({
  name: "overview",
  title: () => words.pages.overview,
  async load(ask, url, before) {
    const status = await askStatus(ask);
    const oldest = status.broker.state === "connected" ? await oldestOf(status.queues, ask) : {};
    return { status, oldest, history: await historyOf(ask, url, status, before?.history) };
  },
  view: (data, around) =>
    h(
      "div",
      { class: "stack" },
      h("h1", { class: "heard" }, words.pages.overview),
      health(data),
      tiles(data),
      overTime(data, around),
      queues(data, around),
      here(data, around),
    ),
  charts: ({ status, history }) => (history === null ? [] : chartsOf(history, status)),
  streams: () => [eventsOf("queues", "executors")],
});

function health({ status, oldest }: OverviewData): View {
  const found = findings(status, oldest);
  const living = livingMembers(status);
  const { taken, slots } = slotsOf(status);
  if (found.length === 0) {
    const since = Math.min(...Object.values(oldest));
    const waits = Number.isFinite(since)
      ? words.health.oldest(span(at(status.now) - since))
      : words.health.nothingWaits;
    return h("section", { class: "health well", "aria-label": words.health.title }, [
      h("p", null, words.health.well(living.length, taken, slots), " ", h("span", { class: "soft" }, waits)),
    ]);
  }
  const worst = found[0]?.severity ?? "warn";
  return h(
    "section",
    { class: `health ${worst}`, "aria-label": words.health.title },
    h("p", null, h("strong", null, words.health.troubles(found.length))),
    h("ul", null, found.map(finding)),
  );
}

function finding({ severity, text, href }: Finding): View {
  return h("li", { class: severity, key: text }, h("a", { href }, text));
}

function tiles({ status, oldest }: OverviewData): View {
  const { queues, fleet } = status;
  const sum = (key: "queued" | "scheduled" | "running" | "dead" | "done"): number =>
    queues.reduce((all, queue) => all + queue[key], 0);
  const { taken, slots } = slotsOf(status);
  const failed = fleet.reduce((all, member) => all + failedAttempts(member, status), 0);
  const since = Math.min(...Object.values(oldest));
  const { overview: said } = words;
  const waiting = sum("queued");
  const dead = sum("dead");
  return h(
    "div",
    { class: "tiles" },
    tile({
      label: said.waiting,
      figure: count(waiting),
      note: [
        Number.isFinite(since) ? `${said.oldest(span(at(status.now) - since))}, ` : "",
        said.waitingOf(sum("scheduled")),
      ],
      href: tasksPath("state:queued"),
    }),
    tile({
      label: said.running,
      figure: count(sum("running")),
      note: said.runningOf(taken, slots),
      href: tasksPath("state:running"),
      more: meter(taken, slots, said.runningOf(taken, slots)),
    }),
    tile({
      label: said.failed,
      figure: count(failed),
      note: said.failedOf(fleet.length),
      href: `${PAGE_ROOT}/executors`,
    }),
    tile({
      label: said.dead,
      figure: count(dead),
      note: said.deadOf,
      href: `${PAGE_ROOT}/dead`,
      tone: dead > 0 ? "bad" : undefined,
    }),
    tile({ label: said.done, figure: count(sum("done")), note: said.doneOf, href: tasksPath("state:done") }),
  );
}

function queues({ status, oldest }: OverviewData, around: Around): View {
  const { queues: all, queues_left_out: left = 0 } = status;
  const aside = left > 0 ? h("span", { class: "soft" }, words.frame.more(left)) : null;
  // Pausing has its own page.
  return section(words.overview.queues, { aside }, queueTable(all, oldest, { ...around, may: [] }));
}

const NOW_COLUMNS: readonly Column[] = [
  { title: words.columns.id },
  { title: words.columns.type },
  { title: words.columns.queue, kind: "mid" },
  { title: words.columns.attempt, kind: "n mid" },
  { title: words.columns.ran, kind: "n" },
  { title: words.columns.progress, kind: "mid" },
];

function here({ status }: OverviewData, around: Around): View {
  const running = Object.entries(status.current);
  const body = running.length === 0 ? nothing(words.overview.nothingRuns) : runningTable(running, around);
  const left = status.current_left_out ?? 0;
  const aside = h("a", { class: "soft", href: `${PAGE_ROOT}/executors` }, name(status.name, 60));
  return section(words.overview.now, { aside }, body, left > 0 && h("p", { class: "soft" }, words.overview.left(left)));
}

/** The tasks that an executor runs. */
export function runningTable(running: readonly [string, ExecutorStatus["current"][string]][], around: Around): View {
  const rows = running.map(([id, task]) =>
    h(
      "tr",
      { key: id, class: task.ignoring_cancel ? "bad" : null },
      h("th", { scope: "row" }, taskLink(id), task.ignoring_cancel && h("span", { class: "chip bad" }, words.ignoring)),
      h("td", null, h("a", { href: tasksPath(`type:${task.type}`) }, name(task.type))),
      h("td", { class: "mid" }, name(task.queue)),
      h("td", { class: "n mid" }, count(task.attempt)),
      h("td", { class: "n" }, span(around.now - at(task.started_at))),
      h("td", { class: "mid" }, progress(task.progress, task.type)),
    ),
  );
  return table(words.overview.now, NOW_COLUMNS, rows);
}

/** How far a task is; nothing where it does not tell. */
export function progress(value: number, of: string): View | string {
  if (value <= 0) return "–";
  const label = `${Math.round(value * 100)}\u202f%`;
  return h("span", { class: "progress" }, meter(value, 1, `${name(of)}: ${label}`), label);
}
