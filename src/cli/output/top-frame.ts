/** One frame of `taskexe top` as lines of text: pure, so that what is drawn and what is printed once is the same. */

import type { FleetMember } from "../../broker/broker.ts";
import type { QueueJson } from "../../operations/views/queue-view.ts";
import type { TaskRecord } from "../../task/record/record.ts";
import { printable } from "../../task/text/printable.ts";
import { beatFigures, RUNNER_HEAD, runnerCells } from "./beat-figures.ts";
import { howMany } from "./how-many.ts";
import { servedBy } from "./served-by.ts";

export interface FleetView {
  /** The broker's address. */
  readonly url: string;
  /** When all of it was read, Unix ms on the broker's clock. */
  readonly counted_at: number;
  readonly queues: readonly QueueJson[];
  readonly paused: { readonly queues: readonly string[]; readonly types: readonly string[] };
  readonly fleet: readonly FleetMember[];
  readonly running: readonly Omit<TaskRecord, "message" | "result">[];
}

export interface FrameOptions {
  readonly colours: boolean;
  /** The size of the screen; what does not fit is cut off. */
  readonly columns?: number;
  readonly rows?: number;
  /** Why the view is not of this moment. */
  readonly problem?: string | null;
}

type Style = "head" | "plain" | "warn" | "bad";

interface Line {
  readonly text: string;
  readonly style: Style;
}

const CODES: Readonly<Record<Style, string>> = { head: "\x1b[1m", plain: "", warn: "\x1b[33m", bad: "\x1b[31m" };
/** An executor beats every 30 s; one that has not for this long is most likely gone, in ms. */
const LATE_MS = 75_000;
const BAR_WIDTH = 20;

/** The lines of one frame. */
export function frameOf(view: FleetView, options: FrameOptions): string[] {
  const { colours, columns = Number.POSITIVE_INFINITY, rows = Number.POSITIVE_INFINITY, problem = null } = options;
  const lines: Line[] = [
    ...headOf(view),
    ...(problem === null ? [] : [{ text: `not of this moment: ${printable(problem)}`, style: "bad" as const }]),
    ...queueLines(view),
    ...executorLines(view),
    ...runnerLines(view),
    ...runningLines(view),
  ];
  return lines.slice(0, rows).map(({ text, style }) => {
    const cut = text.length > columns ? text.slice(0, columns) : text;
    return colours && style !== "plain" ? `${CODES[style]}${cut}\x1b[0m` : cut;
  });
}

function headOf({ url, counted_at: at, queues, fleet, paused }: FleetView): Line[] {
  const sum = (key: "queued" | "scheduled" | "dead") => queues.reduce((total, queue) => total + queue[key], 0);
  // From the rows below: what the queues count as running is claimed, and may wait for its slot.
  const figures = fleet.map(beatFigures);
  const taken = figures.reduce((total, { busy }) => total + busy, 0);
  const slots = figures.reduce((total, { concurrency }) => total + concurrency, 0);
  const types = paused.types.map((name) => printable(name));
  return [
    { text: `taskexe top   ${printable(url)}   ${new Date(at).toISOString().slice(0, 19)}Z`, style: "head" },
    {
      text:
        `${howMany(fleet.length, "executor")}, ${taken} of ${slots} slots taken; ${sum("queued")} queued, ` +
        `${sum("scheduled")} scheduled, ${sum("dead")} dead`,
      style: "plain",
    },
    ...(types.length === 0 ? [] : [{ text: `paused types: ${types.join(", ")}`, style: "warn" as const }]),
  ];
}

function queueLines({ queues, paused }: FleetView): Line[] {
  const names = new Set(paused.queues);
  const rows = queues.map((queue) => {
    const { name, queued, running, scheduled, dead, done, cancelled, executors } = queue;
    const isLeft = executors === 0 && queued + running + scheduled > 0;
    const style: Style = names.has(name) || isLeft ? "warn" : dead > 0 ? "bad" : "plain";
    const cells = [name, queued, running, scheduled, dead, done, cancelled, servedBy(executors)];
    cells.push(names.has(name) ? "paused" : "");
    return { cells, style };
  });
  return table(["queue", "queued", "running", "scheduled", "dead", "done", "cancelled", "executors", ""], rows);
}

function executorLines({ fleet, counted_at: at }: FleetView): Line[] {
  const rows = fleet.map((member) => {
    const style: Style = member.at === null || at - member.at > LATE_MS ? "bad" : "plain";
    const { slots, done, dead, cancelled } = beatFigures(member);
    return { cells: [member.name, slots, done, dead, cancelled, ageOf(member.at, at)], style };
  });
  return table(["executor", "slots", "done", "dead", "cancelled", "last beat"], rows);
}

/** The processes that run handlers, as the last beats tell. */
function runnerLines({ fleet, counted_at: at }: FleetView): Line[] {
  const rows = fleet.flatMap(({ name, beat }) =>
    (beat?.runners ?? []).map((runner) => ({
      cells: [...runnerCells(runner), ageOf(sinceOf(runner), at, ""), name],
      style: runner.state === "blocked" ? ("warn" as const) : ("plain" as const),
    })),
  );
  const left = fleet.reduce((sum, { beat }) => sum + (beat?.more_runners ?? 0), 0);
  const more = left === 0 ? [] : [{ text: `and ${howMany(left, "runner")} more`, style: "plain" as const }];
  return rows.length === 0 ? [] : [...table([...RUNNER_HEAD, "busy for", "executor"], rows), ...more];
}

function sinceOf({ busy_since: since }: { readonly busy_since: string | null }): number | null {
  const at = since === null ? Number.NaN : Date.parse(since);
  return Number.isNaN(at) ? null : at;
}

function runningLines({ running, counted_at: at }: FleetView): Line[] {
  if (running.length === 0) return [];
  const rows = running.map((task) => {
    const message = task.progress_msg.trimEnd().split("\n").at(-1) ?? "";
    const cells = [task.id, task.type, task.attempt, barOf(task.progress), ageOf(task.started_at, at), message];
    return { cells, style: "plain" as const };
  });
  return table(["running", "type", "attempt", "progress", "since", "message"], rows);
}

interface Row {
  readonly cells: readonly (string | number)[];
  readonly style: Style;
}

/** A blank line, a head, the rows; columns are as wide as their widest cell, numbers stand right. */
function table(head: readonly string[], rows: readonly Row[]): Line[] {
  const shown = rows.map(({ cells }) => cells.map((cell) => printable(String(cell))));
  const widths = head.map((title, column) => Math.max(title.length, ...shown.map((row) => row[column]?.length ?? 0)));
  const right = head.map(
    (_, column) => rows.length > 0 && rows.every(({ cells }) => typeof cells[column] === "number"),
  );
  const lineOf = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return [
    { text: "", style: "plain" },
    { text: lineOf(head), style: "head" },
    ...shown.map((cells, index) => ({ text: lineOf(cells), style: rows[index]?.style ?? "plain" })),
  ];
}

function barOf(progress: number): string {
  if (progress < 0) return "failed";
  const filled = Math.round(Math.min(1, progress) * BAR_WIDTH);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_WIDTH - filled)}] ${Math.round(progress * 100)} %`;
}

function ageOf(from: number | null, now: number, never = "never"): string {
  if (from === null) return never;
  const seconds = Math.max(0, Math.round((now - from) / 1_000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
