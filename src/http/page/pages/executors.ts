/** Executors: the fleet with its slots, as heartbeats tell it, and the executor that serves this page in full. */
import type { ExecutorStatus, RunnerJson } from "../../../executor/status/status.ts";
import type { TreeJson as Tree } from "../../tree-view.ts";
import { askStatus, askTree } from "../view/api.ts";
import { at, bytes, count, span } from "../view/format.ts";
import { h, type View } from "../view/h.ts";
import { failedAttempts, figure, LIVES_MS } from "../view/health.ts";
import { nurseryTree } from "../view/nursery-tree.ts";
import { type Around, definePage, eventsOf } from "../view/page.ts";
import { ago, type Column, moment, nothing, section, table } from "../view/parts.ts";
import { lines, name } from "../view/text.ts";
import { words } from "../view/words.ts";
import { runningTable } from "./overview.ts";

/** So many slots are drawn one by one. */
const MOST_CELLS = 64;

export interface ExecutorsData {
  readonly status: ExecutorStatus;
  readonly tree: Tree;
}

export const executors = definePage<ExecutorsData>({
  name: "executors",
  title: () => words.pages.executors,
  load: async (ask) => ({ status: await askStatus(ask), tree: await askTree(ask) }),
  view: ({ status, tree }, around) =>
    h(
      "div",
      { class: "stack" },
      h("div", { class: "title" }, h("h1", null, words.pages.executors)),
      fleet(status, around),
      here(status, around),
      runners(status, around),
      section(
        words.executors.tree,
        { aside: h("a", { href: "/status/tree?format=text" }, words.executors.treeAll) },
        nurseryTree(tree),
      ),
    ),
  streams: () => [eventsOf("executors")],
});

const FLEET_COLUMNS: readonly Column[] = [
  { title: words.columns.executor },
  { title: words.columns.slots },
  { title: words.columns.beat, kind: "n" },
  { title: words.columns.done, kind: "n wide" },
  { title: words.columns.failed, kind: "n wide" },
  { title: words.executors.serves, kind: "mid" },
  { title: words.columns.host, kind: "mid" },
  { title: words.columns.version, kind: "mid" },
  { title: words.columns.up, kind: "n mid" },
];

function fleet(status: ExecutorStatus, around: Around): View {
  const { fleet: members, fleet_left_out: left = 0 } = status;
  if (members.length === 0) return section(words.executors.fleet, {}, nothing(words.executors.none));
  const aside = left > 0 ? h("span", { class: "soft" }, words.frame.more(left)) : null;
  const rows = members.map((member) => memberRow(member, status, around));
  return section(words.executors.fleet, { aside }, table(words.executors.fleet, FLEET_COLUMNS, rows));
}

function memberRow(member: ExecutorStatus["fleet"][number], status: ExecutorStatus, around: Around): View {
  const { name: who, at: beatAt, beat } = member;
  const seen = beatAt === null ? null : at(beatAt);
  const isSilent = seen === null || around.now - seen > LIVES_MS;
  const isHere = who === status.name;
  // Of itself it knows the figures of this moment.
  const [all, taken] = isHere
    ? [status.concurrency, status.slots_taken]
    : [figure(member, "concurrency"), figure(member, "slots_taken")];
  const booted = beat?.boot_at === undefined ? null : at(beat.boot_at);
  const version: unknown = beat?.version;
  return h(
    "tr",
    { key: who },
    h(
      "th",
      { scope: "row" },
      name(who, 60),
      isHere && h("span", { class: "chip" }, words.executors.here),
      isSilent && h("span", { class: "chip bad" }, words.executors.silent),
      beat?.quiet === true && h("span", { class: "chip" }, words.executors.quiet),
      // One of another program takes no orders.
      beat?.lease_ms !== undefined && orders(who, beat.quiet === true, around),
    ),
    h("td", null, slots(taken, all)),
    h("td", { class: isSilent ? "n bad" : "n" }, ago(seen, around)),
    h("td", { class: "n wide" }, count(isHere ? status.done : figure(member, "done"))),
    h("td", { class: "n wide" }, count(failedAttempts(member, status))),
    h("td", { class: "mid" }, name((beat?.queues ?? []).join(" "), 48) || words.unknown),
    h("td", { class: "mid" }, name(`${beat?.ip_address ?? "?"} ${beat?.pid ?? ""}`, 48)),
    h("td", { class: "mid" }, typeof version === "string" ? name(version, 20) : "–"),
    h("td", { class: "n mid" }, booted === null ? "–" : span(around.now - booted)),
  );
}

function orders(who: string, isQuiet: boolean, { may }: Around): View | null {
  if (!may.includes("quietExecutor")) return null;
  const button = (what: "quiet" | "resume" | "drain"): View => {
    const about = { "data-do": what, "data-kind": "executor", "data-name": who };
    return h("button", { type: "button", class: "scripted quiet", ...about }, words.actions[what]);
  };
  return h("span", { class: "actions" }, button(isQuiet ? "resume" : "quiet"), button("drain"));
}

/** A cell a slot: busy ones first. */
function slots(taken: number, all: number): View {
  const cells = Array.from({ length: Math.min(all, MOST_CELLS) }, (_, at_) =>
    h("i", { class: at_ < (taken * Math.min(all, MOST_CELLS)) / Math.max(1, all) ? "busy" : null }),
  );
  const label = words.executors.slots(taken, all);
  return h(
    "span",
    { class: "slots" },
    h("span", { class: "cells", role: "img", "aria-label": label }, cells),
    h("span", { class: "soft", "aria-hidden": "true" }, `${count(taken)}/${count(all)}`),
  );
}

function here(status: ExecutorStatus, around: Around): View {
  const { executors: said } = words;
  const { memory, broker, stops } = status;
  const rows: (readonly [string, View | string])[] = [
    [said.state, status.state],
    [said.pid, String(status.pid)],
    [said.booted, moment(at(status.boot_at), around)],
    [said.memory, `${bytes(memory.rss_bytes)}, ${said.peak.toLowerCase()} ${bytes(memory.max_rss_bytes)}`],
    [said.heap, bytes(memory.heap_bytes)],
    [said.broker, h("span", { class: broker.connected ? null : "bad" }, `${name(broker.url, 120)} ${broker.state}`)],
    [said.counted, status.counted_at === null ? words.age.never : ago(at(status.counted_at), around)],
    [said.failed, count(status.failed)],
    [said.retried, count(status.retried)],
    [said.lost, count(status.lost)],
    [said.abandoned, count(status.abandoned)],
    [said.stops, said.stopsOf(stops.heeded, stops.killed, stops.abandoned)],
  ];
  const running = Object.entries(status.current);
  return section(
    name(status.name),
    { aside: h("span", { class: "soft" }, words.executors.here) },
    h(
      "dl",
      { class: "facts wide-facts" },
      rows.map(([title, value]) => [h("dt", null, title), h("dd", null, value)]),
    ),
    broker.warnings.map((warning) => h("p", { class: "bad" }, lines(warning, 600))),
    running.length > 0 && runningTable(running, around),
  );
}

const RUNNER_COLUMNS: readonly Column[] = [
  { title: words.executors.pid, kind: "n" },
  { title: words.executors.kind },
  { title: words.executors.isolation, kind: "wide" },
  { title: words.columns.state },
  { title: words.executors.tasks, kind: "n" },
  { title: words.columns.done, kind: "n wide" },
  { title: words.columns.memory, kind: "n" },
  { title: words.executors.busy, kind: "n" },
];

function runners({ runners: all }: ExecutorStatus, around: Around): View {
  const { executors: said } = words;
  if (all === undefined) return section(said.runners, {}, nothing(said.noRunners));
  const most = Math.max(1, ...all.processes.map(({ rss_bytes: rss }) => rss));
  return section(
    said.runners,
    { aside: all.waiting > 0 ? h("span", { class: "bad" }, said.waitingForRunner(all.waiting)) : null },
    all.problems.map((problem) => h("p", { class: "bad" }, lines(problem, 600))),
    table(
      said.runners,
      RUNNER_COLUMNS,
      all.processes.map((runner) => runnerRow(runner, most, around)),
    ),
  );
}

function runnerRow(runner: RunnerJson, most: number, around: Around): View {
  const { pid, kind, isolation, state, tasks, done, rss_bytes: rss, busy_since: busy } = runner;
  return h(
    "tr",
    { key: pid },
    h("th", { scope: "row", class: "n" }, String(pid)),
    h("td", null, name(kind, 40)),
    h("td", { class: "wide" }, name(isolation, 20)),
    h("td", null, name(state, 20)),
    h("td", { class: "n" }, count(tasks)),
    h("td", { class: "n wide" }, count(done)),
    h("td", { class: "n" }, h("span", { class: "bar" }, memoryBar(rss, most), bytes(rss))),
    h("td", { class: "n" }, busy === null ? h("span", { class: "soft" }, words.executors.idle) : ago(at(busy), around)),
  );
}

function memoryBar(rss: number, most: number): View {
  return h("svg", { viewBox: "0 0 60 6", width: 60, height: 6, "aria-hidden": "true" }, [
    h("rect", { class: "track", width: 60, height: 6, rx: 3 }),
    h("rect", { class: "fill", width: Math.max(2, (rss / most) * 60), height: 6, rx: 3 }),
  ]);
}
