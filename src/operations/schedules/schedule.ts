/**
 * A schedule as it is told to people and programs: what holds for its runs, whoever said it, and what has come of it.
 */

import type { Broker } from "../../broker/broker.ts";
import type { StoredSchedule } from "../../broker/contract/schedules.ts";
import { MAX_LISTED_SCHEDULES } from "../../broker/schedule-list.ts";
import { type SaidRunOptions, saidRunOptions } from "../../task/options/run-options.ts";
import { type Overlap, overlapOf, runOptions } from "../../task/options/schedule-options.ts";
import type { TaskState } from "../../task/state.ts";
import { askStates, type RunStates, runId } from "./schedule-runs.ts";

/** One of the last runs. */
export interface ScheduledRun {
  /** The id of its task. */
  readonly id: string;
  /** When it was due, or asked for by hand, Unix ms on the broker's clock. */
  readonly at: number;
  /** The state of its task; null: it has ended, and nothing is kept of it. */
  readonly state: TaskState | null;
}

/** Times are Unix ms on the broker's clock; null: not said, or none. */
export interface Schedule extends Omit<SaidRunOptions, "retentionMs"> {
  readonly name: string;
  readonly cron: string;
  /** An IANA time zone; null: UTC. */
  readonly timezone: string | null;
  readonly type: string;
  /** JSON of the payload. */
  readonly payload: string;
  /** How long that is, in bytes; a list gives null in the place of a payload of more than 1 000. */
  readonly payloadBytes: number;
  readonly queue: string;
  readonly priority: number;
  readonly delayMs: number | null;
  readonly deadlineMs: number | null;
  readonly retentionMs: number;
  readonly unique: { readonly key: string | null; readonly forMs: number | "until-done" } | null;
  readonly overlap: Overlap;
  readonly paused: boolean;
  readonly nextAt: number | null;
  readonly lastAt: number | null;
  /** The run that waits until the one before has ended; null: none does. */
  readonly waitingAt: number | null;
  /** How many runs were left out: an earlier one had not ended, or another task held the unique key. */
  readonly skipped: number;
  readonly lastSkippedAt: number | null;
  /** The last ten, the newest first. */
  readonly runs: readonly ScheduledRun[];
}

/** A page of schedules. */
export interface SchedulesPage {
  readonly schedules: readonly Schedule[];
  /** Behind which name the next one begins; null: this was the last. */
  readonly cursor: string | null;
}

/** The part of a broker that changes of schedules need. */
export type ScheduleBroker = Pick<Broker, "now" | "states" | "schedule" | "countSchedules" | "changeSchedule">;

type Listing = Pick<Broker, "listSchedules" | "states">;

/**
 * A page of schedules, by name. It may have less than `limit` though there are more.
 *
 * @throws (rejects) RangeError for a limit that is not 1 to 1 000.
 */
export async function listSchedules(
  broker: Listing,
  { cursor = "", limit = MAX_LISTED_SCHEDULES }: { readonly cursor?: string | undefined; readonly limit?: number } = {},
): Promise<SchedulesPage> {
  const { schedules, next } = await broker.listSchedules({ after: cursor, limit });
  const states = await askStates(broker, schedules, true);
  const shown = schedules.map((each) => ({ ...scheduleOf(each, states), payloadBytes: each.payloadBytes }));
  return { schedules: shown, cursor: next };
}

/** All schedules, by name. */
export async function allSchedules(broker: Listing): Promise<Schedule[]> {
  const all: Schedule[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: SchedulesPage = await listSchedules(broker, { cursor });
    all.push(...page.schedules);
    cursor = page.cursor;
  }
  return all;
}

/** One schedule; null: there is none of that name. */
export async function findSchedule(
  broker: Pick<Broker, "schedule" | "states">,
  name: string,
): Promise<Schedule | null> {
  const stored = await broker.schedule(name);
  return stored === null ? null : scheduleOf(stored, await askStates(broker, [stored], true));
}

/** @param states - of its runs. */
export function scheduleOf(stored: StoredSchedule, states: RunStates): Schedule {
  const { name, cron, timezone, type, payload, options, defaults } = stored;
  const { paused, nextAt, lastAt, waitingAt, skipped, lastSkippedAt } = stored;
  const { queue = "common", priority = 0, unique, ...chosen } = runOptions(options, defaults, 0);
  return {
    ...{ name, cron, timezone, type, payload, queue, priority },
    payloadBytes: Buffer.byteLength(payload),
    ...saidRunOptions(chosen),
    delayMs: chosen.delayMs ?? null,
    deadlineMs: options.deadlineMs ?? defaults?.deadlineMs ?? null,
    retentionMs: chosen.retentionMs ?? stored.retentionMs,
    unique: unique ? { key: unique.key ?? null, forMs: unique.forMs ?? "until-done" } : null,
    overlap: overlapOf(stored.overlap, { unique }),
    ...{ paused, nextAt, lastAt, waitingAt, skipped, lastSkippedAt },
    runs: stored.runs.map(({ at, end }) => runOf(runId(name, at), at, end, states)).reverse(),
  };
}

function runOf(id: string, at: number, end: StoredSchedule["runs"][number]["end"], states: RunStates): ScheduledRun {
  return { id, at, state: states.get(id) ?? (end === "gone" ? null : end) };
}
