/**
 * The history of the fleet as the overview shows it: asked for when a slot of it is over, so that many open pages cost
 * little, and made into lines. What was before it is known is no 0, but nothing.
 */
import type { ExecutorStatus } from "../../../executor/status/status.ts";
import type { HistoryJson } from "../../api/routes/history-routes.ts";
import { askHistory } from "../view/api.ts";
import type { Chart, ChartName, Line } from "../view/chart.ts";
import { at } from "../view/format.ts";
import type { Oldest } from "../view/oldest.ts";
import { type Ask, AskError } from "../view/page.ts";
import { name } from "../view/text.ts";
import { words } from "../view/words.ts";

export type Range = HistoryJson["range"];
export const RANGES = Object.keys(words.charts.ranges) as readonly Range[];

/** It is asked for again after so many ms at the most. */
const SLOWEST_MS = 60_000;
/** A slot that is not over is drawn once it is so old: counts come every 10 s. */
const LEAST_MS = 30_000;
/** So many queues are drawn: those in which most has waited. */
const MOST_QUEUES = 8;

export interface AskedHistory {
  readonly answer: HistoryJson;
  /** null: of all. */
  readonly queue: string | null;
  /** Whether it may be asked for of all queues. */
  readonly mayAskAll: boolean;
  /** When it was asked for, Unix ms. */
  readonly askedAt: number;
}

export interface OverviewData {
  readonly status: ExecutorStatus;
  /** Since when the first task of a queue waits, Unix ms, by the name of the queue. */
  readonly oldest: Oldest;
  /** null: this executor keeps none. */
  readonly history: AskedHistory | null;
}

/**
 * What the address asks for, `?range=1h&queue=common`; what is still true of `before`. Whoever is limited to some
 * queues gets the first of them where no other is asked for.
 */
export async function historyOf(
  ask: Ask,
  { searchParams }: URL,
  status: ExecutorStatus,
  before: AskedHistory | null | undefined,
): Promise<AskedHistory | null> {
  const range = RANGES.find((each) => each === searchParams.get("range")) ?? "15m";
  const queue = searchParams.get("queue") || null;
  const now = at(status.now);
  if (before != null) {
    const { askedAt, answer } = before;
    const step = Math.min(answer.step_ms, SLOWEST_MS);
    if (answer.range === range && Math.floor(askedAt / step) === Math.floor(now / step)) return before;
  }
  const asked = async (of: string | null, mayAskAll: boolean): Promise<AskedHistory> => {
    const answer = await askHistory(ask, of === null ? { range } : { range, queue: of });
    return { answer, queue: of, mayAskAll, askedAt: now };
  };
  try {
    return await asked(queue, before?.mayAskAll ?? true);
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    if (error.status === 404) return null;
    const first = status.queues[0]?.name;
    if (error.status !== 403 || first === undefined) throw error;
    return asked(first, false);
  }
}

/** A slot: when it begins, and how much of it is known, in ms. */
interface Slot {
  readonly at: number;
  readonly knownMs: number;
}

export function slotsOf({ answer, askedAt }: AskedHistory): Slot[] {
  const { from, step_ms: step, since } = answer;
  return answer.outcomes.done.map((_, index) => {
    const begin = from + index * step;
    return { at: begin, knownMs: Math.min(begin + step, askedAt) - Math.max(begin, since) };
  });
}

/** In the order in which they are shown. */
const OUTCOMES = [
  { key: "done", colour: "--done", dash: [] },
  { key: "retried", colour: "--retrying", dash: [6, 3] },
  { key: "dead", colour: "--dead", dash: [2, 3] },
  { key: "cancelled", colour: "--cancelled", dash: [8, 3, 2, 3] },
  { key: "lost", colour: "--scheduled", dash: [1, 3] },
] as const;
const PERCENTILES = [
  { key: "p50", colour: "--done", dash: [] },
  { key: "p95", colour: "--running", dash: [6, 3] },
  { key: "p99", colour: "--retrying", dash: [2, 3] },
] as const;
const QUEUE_COLOURS = ["--queued", "--running", "--done", "--retrying", "--scheduled", "--dead", "--cancelled"];
const QUEUE_DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

/** How many ended of each outcome, in each slot. */
export function endedLines({ answer }: AskedHistory): Line[] {
  return OUTCOMES.map(({ key, ...look }) => ({ label: words.charts[key], ...look, values: answer.outcomes[key] }));
}

/** In ms; of runs nothing is known of one queue alone. */
export function percentileLines({ answer }: AskedHistory, of: "run" | "wait"): Line[] {
  const lists = answer[`${of}_ms`];
  if (lists === null) return [];
  return PERCENTILES.map(({ key, ...look }) => ({ label: key, ...look, values: lists[key] }));
}

/** What waited, by queue, in the order of their names; in the last slot what waits now. */
export function waitingLines(history: AskedHistory, { queues }: ExecutorStatus): Line[] {
  const { answer, queue: only } = history;
  const now = new Map(
    queues.filter(({ name: queue }) => (only ?? queue) === queue).map((each) => [each.name, each.queued]),
  );
  const before = new Map(answer.queues.map((each) => [each.name, each.waiting]));
  const slots = slotsOf(history);
  const all = [...new Set([...before.keys(), ...now.keys()])].map((queue) => {
    const values = slots.map(({ knownMs }, index) => {
      if (index === slots.length - 1) return now.get(queue) ?? null;
      return knownMs > 0 ? (before.get(queue)?.[index] ?? null) : null;
    });
    return { queue, values, most: Math.max(...values.map((each) => each ?? 0)) };
  });
  const drawn = all.sort((a, b) => b.most - a.most || (a.queue < b.queue ? -1 : 1)).slice(0, MOST_QUEUES);
  drawn.sort((a, b) => (a.queue < b.queue ? -1 : 1));
  return drawn.map(({ queue, values }, index) => ({
    label: name(queue, 40),
    colour: QUEUE_COLOURS[index % QUEUE_COLOURS.length] ?? "--queued",
    dash: QUEUE_DASHES[index % QUEUE_DASHES.length] ?? [],
    values,
  }));
}

/** What is drawn. */
export function chartsOf(history: AskedHistory, status: ExecutorStatus): Chart[] {
  const { answer } = history;
  const { from, step_ms: step } = answer;
  const slots = slotsOf(history);
  const marks = answer.marks.map(({ at: when, kind }) => ({ at: when, isDrain: kind === "drain" }));
  const to = Math.max(from + slots.length * step, at(status.now));
  const chart = (of: ChartName, lines: readonly Line[], times = slots.map((slot) => slot.at)): Chart => ({
    ...{ name: of, isTime: of === "run" || of === "wait", from, to, times, lines, marks },
  });
  const rates = endedLines(history).map((line) => ({
    ...line,
    values: line.values.map((count, index) => {
      const known = slots[index]?.knownMs ?? 0;
      return known < Math.min(step, LEAST_MS) ? null : (1_000 * (count ?? 0)) / known;
    }),
  }));
  const now = slots.map((slot, index) => (index === slots.length - 1 ? Math.max(slot.at, at(status.now)) : slot.at));
  return [
    chart("flow", rates),
    chart("run", percentileLines(history, "run")),
    chart("wait", percentileLines(history, "wait")),
    chart("waiting", waitingLines(history, status), now),
  ];
}
