/**
 * The part of the overview that looks back: charts with a table behind each, which range of time they show, what was
 * deployed, the types that fail most and what has waited longest. All of it is in the HTML that the server renders.
 */
import { historyPath } from "../view/api.ts";
import type { ChartName, Line } from "../view/chart.ts";
import { at, clock, count, span } from "../view/format.ts";
import { type Child, h, type View } from "../view/h.ts";
import { type Around, PAGE_ROOT, tasksPath } from "../view/page.ts";
import { type Column, meter, moment, nothing, section, table } from "../view/parts.ts";
import { name } from "../view/text.ts";
import { words } from "../view/words.ts";
import {
  type AskedHistory,
  endedLines,
  type OverviewData,
  percentileLines,
  RANGES,
  type Range,
  slotsOf,
  waitingLines,
} from "./overview-data.ts";

const { charts: said } = words;

/** So many slots make a row of a table, so that none has more than about thirty. */
const SLOTS_A_ROW: Readonly<Record<Range, number>> = { "15m": 3, "1h": 2, "24h": 4, "7d": 24 };
/** So many rows the lists have at the most, and so many queues can be chosen. */
const MOST_MARKS = 12;
const MOST_WAITING = 10;
const MOST_CHOICES = 12;

export function overTime(data: OverviewData, around: Around): View {
  const { history, status } = data;
  if (history === null) return section(said.title, {}, nothing(said.none));
  const { range, since } = history.answer;
  const query = history.queue === null ? { range } : { range, queue: history.queue };
  const ended = endedLines(history);
  return h(
    "div",
    { class: "stack" },
    h(
      "div",
      { class: "title" },
      h("h2", null, said.title),
      ranges(history),
      queueChoice(data),
      h("span", { class: "soft" }, said.since(clock(since, around.zone, around.now)), " "),
      h("a", { class: "soft", href: historyPath(query) }, said.json),
    ),
    h(
      "div",
      { class: "columns" },
      chart("flow", history, ended, around),
      chart("waiting", history, waitingLines(history, status), around),
      chart("run", history, percentileLines(history, "run"), around),
      chart("wait", history, percentileLines(history, "wait"), around),
    ),
    h("div", { class: "columns" }, failing(history), longest(data, around)),
    marks(history, around),
  );
}

function addressOf(range: Range, queue: string | null): string {
  return `${PAGE_ROOT}?${new URLSearchParams(queue === null ? { range } : { range, queue })}`;
}

function ranges({ answer, queue }: AskedHistory): View {
  const links = RANGES.map((range) => choice(addressOf(range, queue), said.ranges[range], range === answer.range));
  return h("ul", { class: "filters", "aria-label": said.range }, links);
}

/** Where there is more than one to choose. */
function queueChoice({ history, status }: OverviewData): View | null {
  if (history === null) return null;
  const { answer, queue, mayAskAll } = history;
  const all = status.queues.slice(0, MOST_CHOICES).map((each) => each.name);
  const names = queue === null || all.includes(queue) ? all : [...all, queue];
  if (names.length < 2 && queue === null) return null;
  const ofAll = choice(addressOf(answer.range, null), said.allQueues, queue === null);
  const links = names.map((each) => choice(addressOf(answer.range, each), name(each, 30), each === queue));
  return h("ul", { class: "filters", "aria-label": said.queue }, mayAskAll ? ofAll : null, links);
}

function choice(href: string, text: string, isCurrent: boolean): View {
  return h("li", { key: href }, h("a", { href, "aria-current": isCurrent ? "true" : null }, text));
}

function chart(of: ChartName, history: AskedHistory, lines: readonly Line[], around: Around): View {
  const title = said.titles[of];
  const aside = h("span", { class: "soft" }, said.units[of]);
  if (of === "run" && lines.length === 0) return section(title, { aside }, nothing(said.runsUnknown));
  return section(
    title,
    { aside },
    h("figure", { class: "chart scripted", "data-chart": of, "aria-label": title }),
    h("details", { class: "more behind" }, h("summary", null, said.table), behind(of, history, lines, around)),
  );
}

/** The same as the chart, by longer steps, the newest first. */
function behind(of: ChartName, history: AskedHistory, lines: readonly Line[], around: Around): View {
  const { range, step_ms: step } = history.answer;
  const long = step * SLOTS_A_ROW[range];
  const rows = new Map<number, (number | null)[]>();
  for (const [index, slot] of slotsOf(history).entries()) {
    if (slot.knownMs <= 0) continue;
    const begin = Math.floor(slot.at / long) * long;
    const before = rows.get(begin) ?? [];
    rows.set(
      begin,
      lines.map(({ values }, line) => joined(of, before[line] ?? null, values[index] ?? null)),
    );
  }
  const shown = (value: number | null): string => (of === "run" || of === "wait" ? span(value) : count(value));
  const columns = [{ title: said.time }, ...lines.map(({ label }) => ({ title: label, kind: "n" }))];
  return table(
    (of === "flow" ? said.behind : said.mostBehind)(said.titles[of], span(long)),
    columns,
    [...rows].reverse().map(([begin, values]) => {
      const cells = values.map((value) => h("td", { class: "n" }, shown(value)));
      return h("tr", { key: begin }, h("th", { scope: "row" }, clock(begin, around.zone, around.now)), cells);
    }),
  );
}

/** What ended is summed; of what was measured the most is told. */
function joined(of: ChartName, a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return of === "flow" ? a + b : Math.max(a, b);
}

const FAILING_COLUMNS: readonly Column[] = [
  { title: words.columns.type },
  { title: words.columns.failed, kind: "n" },
  { title: said.attempts, kind: "n" },
  { title: said.share, kind: "n" },
];

function failing({ answer }: AskedHistory): View {
  if (answer.failing.length === 0) return section(said.failing, {}, nothing(said.nothingFails));
  const rows = answer.failing.map(({ type, failed, attempts }) => {
    const share = `${((100 * failed) / Math.max(1, attempts)).toFixed(1)}\u202f%`;
    return h(
      "tr",
      { key: type },
      h("th", { scope: "row" }, h("a", { href: tasksPath(`type:${type}`) }, name(type))),
      h("td", { class: "n" }, count(failed)),
      h("td", { class: "n" }, count(attempts)),
      h(
        "td",
        { class: "n" },
        h("span", { class: "progress" }, meter(failed, attempts, `${name(type)}: ${share}`), share),
      ),
    );
  });
  return section(said.failing, {}, table(said.failing, FAILING_COLUMNS, rows));
}

const LONGEST_COLUMNS: readonly Column[] = [
  { title: words.columns.queue },
  { title: words.columns.oldest, kind: "n" },
  { title: said.mostInTime, kind: "n" },
];

/** How long the oldest task of each queue has waited: now, and at the most. */
function longest({ history, oldest, status }: OverviewData, around: Around): View {
  const queues = (history?.answer.queues ?? [])
    .map(({ name: queue, oldest_s: seconds }) => {
      const since = oldest[queue];
      const waits = since === undefined ? 0 : Math.max(0, at(status.now) - since);
      return { queue, since, waits, most: Math.max(waits, ...seconds.map((each) => each * 1_000)) };
    })
    .filter(({ most }) => most > 0)
    .sort((a, b) => b.waits - a.waits || b.most - a.most);
  if (queues.length === 0) return section(said.longest, {}, nothing(said.nothingWaited));
  const rows = queues
    .slice(0, MOST_WAITING)
    .map(({ queue, since, waits, most }) =>
      h(
        "tr",
        { key: queue },
        h("th", { scope: "row" }, h("a", { href: tasksPath(`state:queued queue:${queue}`) }, name(queue))),
        h("td", { class: "n" }, since === undefined ? "–" : [span(waits), " (", moment(since, around), ")"]),
        h("td", { class: "n" }, span(most)),
      ),
    );
  return section(said.longest, {}, table(said.longest, LONGEST_COLUMNS, rows));
}

/** What explains changes: drawn into the charts, and told here, the newest first. */
function marks({ answer }: AskedHistory, around: Around): Child {
  if (answer.marks.length === 0) return null;
  const shown = answer.marks.slice(-MOST_MARKS).reverse();
  return section(
    said.marks,
    {},
    h(
      "ul",
      { class: "marks" },
      shown.map(({ at: when, kind, executor, what }) => {
        const who = name(executor, 60);
        const text = kind === "drain" ? said.drained(who) : said.began(who, name(what ?? "?", 60));
        return h("li", { key: `${when} ${executor} ${kind}`, class: kind }, moment(when, around), " ", text);
      }),
    ),
  );
}
