/**
 * What comes next for a schedule: a run that is due, one that waited for the run before, or only the news that runs
 * have ended. Nothing is written here: from what was read to the change that a broker makes in one step, or not at all.
 */

import type { Broker, EnqueueRequest } from "../../broker/broker.ts";
import {
  MAX_SCHEDULE_RUNS,
  type ScheduleChange,
  type ScheduleRun,
  type ScheduleState,
  type StoredSchedule,
} from "../../broker/contract/schedules.ts";
import { payloadText, requestOf } from "../../task/message/new-task.ts";
import { MAX_PRIORITIES } from "../../task/options/enqueue-options.ts";
import { overlapOf, runOptions } from "../../task/options/schedule-options.ts";
import { hasEnded, type TaskState } from "../../task/state.ts";
import { JsonText } from "../../task/text/json-text.ts";
import { nextRun } from "../../task/times/cron.ts";
import type { Sending } from "../../task/trace/sending.ts";
import { prepareTraced } from "../prepare.ts";

/** The states of tasks that were asked for; null: no record is kept. */
export type RunStates = ReadonlyMap<string, TaskState | null>;

/** How many ids one question may have. */
const MOST_IDS = 1_000;

/** The id of a run, from when it was due. */
export function runId(name: string, at: number): string {
  return `cron-${name}-${at}`;
}

/**
 * Asks for the states of runs: of those that had not ended, and of the last, which may have been retried by hand.
 *
 * @param all - of every run instead.
 */
export async function askStates(
  broker: Pick<Broker, "states">,
  schedules: readonly StoredSchedule[],
  all = false,
): Promise<RunStates> {
  const ids = schedules.flatMap(({ name, runs }) =>
    runs.filter(({ end }, index) => all || end === null || index === runs.length - 1).map(({ at }) => runId(name, at)),
  );
  const states = new Map<string, TaskState | null>();
  for (let from = 0; from < ids.length; from += MOST_IDS) {
    const some = ids.slice(from, from + MOST_IDS);
    for (const [index, state] of (await broker.states(some)).entries()) states.set(some[index] ?? "", state);
  }
  return states;
}

/** The runs with what is known of their ends by now. */
export function settled({ name, runs }: StoredSchedule, states: RunStates): readonly ScheduleRun[] {
  return runs.map((run) => {
    const state = states.get(runId(name, run.at));
    if (state === undefined) return run;
    if (state === null) return { at: run.at, end: run.end ?? "gone" };
    return { at: run.at, end: hasEnded(state) ? state : null };
  });
}

/** A step that can be taken, and the request of the task that it enqueues. */
export interface Step {
  readonly change: ScheduleChange;
  readonly request: EnqueueRequest | null;
  /** Of that task, where spans are told: it is said how it went. */
  readonly sending?: Sending | undefined;
}

/**
 * The next step of a schedule; null: there is nothing to do. Where several things are to be done it is asked again.
 *
 * @param now - the broker's clock, Unix ms.
 * @throws CronError or InvalidTaskError where what is stored cannot be fired.
 */
export function nextStep(schedule: StoredSchedule, states: RunStates, now: number): Step | null {
  const state = { ...stateOf(schedule), runs: settled(schedule, states) };
  const { nextAt, waitingAt } = state;
  const isBusy = state.runs.some(({ end }) => end === null);
  if (waitingAt !== null && !isBusy) return firing(schedule, waitingAt, { ...state, waitingAt: null }, now);
  if (nextAt !== null && nextAt <= now) {
    // Counted from now and not from the time that was due: what was missed comes once.
    const moved = { ...state, nextAt: nextRun(schedule.cron, schedule.timezone, now, nextAt) };
    const overlap = overlapNow(schedule, now);
    if (overlap === "allow" || !isBusy) return firing(schedule, nextAt, { ...moved, lastAt: nextAt }, now);
    const waits = overlap === "queue" && waitingAt === null;
    return changing(schedule, waits ? { ...moved, waitingAt: nextAt } : skipping(moved, nextAt));
  }
  const isNews = state.runs.some((run, index) => run.end !== schedule.runs[index]?.end);
  return isNews ? changing(schedule, state) : null;
}

/** The step that enqueues the run of that time. */
export function firing(schedule: StoredSchedule, at: number, state: ScheduleState, now: number): Step {
  const { request, sending } = requestAt(schedule, at, now);
  const otherwise = skipping(state, at);
  const after = { ...state, runs: remembered([...state.runs, { at, end: null }]) };
  return { ...changing(schedule, after, { request, otherwise }), request, sending };
}

/** The step that only writes the state. */
export function changing(
  { name, revision }: StoredSchedule,
  state: ScheduleState,
  enqueue?: ScheduleChange["enqueue"],
): Step {
  return { change: { name, revision, state, ...(enqueue === undefined ? {} : { enqueue }) }, request: null };
}

/** What a run does at this time while an earlier one has not ended. */
export function overlapNow({ options, defaults, overlap }: StoredSchedule, now: number) {
  return overlapOf(overlap, runOptions(options, defaults, now));
}

/** The state alone. */
export function stateOf(schedule: StoredSchedule): ScheduleState {
  const { nextAt, lastAt, paused, waitingAt, runs, skipped, lastSkippedAt } = schedule;
  return { nextAt, lastAt, paused, waitingAt, runs, skipped, lastSkippedAt };
}

/** The state with one run more that was left out. */
export function skipping(state: ScheduleState, at: number): ScheduleState {
  return { ...state, skipped: state.skipped + 1, lastSkippedAt: at };
}

function requestAt(
  schedule: StoredSchedule,
  at: number,
  now: number,
): { readonly request: EnqueueRequest; readonly sending: Sending | undefined } {
  const { name, type, payload, options, defaults, retentionMs } = schedule;
  const chosen = runOptions(options, defaults, now);
  // A run that keeps no record would be forgotten before it has ended; the key is kept until then, and a record with
  // it.
  const isForgotten = (chosen.retentionMs ?? retentionMs) === 0 && overlapNow(schedule, now) !== "allow";
  const unique = isForgotten ? (chosen.unique ?? { key: `cron:${name}` }) : chosen.unique;
  // The fleet's number of priorities was known to whoever put it.
  const surroundings = { now, retentionMs, priorities: MAX_PRIORITIES };
  const all = { ...chosen, unique, id: runId(name, at) };
  const prepared = prepareTraced(type, payloadText(new JsonText(payload)), all, surroundings);
  return { request: requestOf(prepared, now), sending: prepared.sending };
}

/** No more than are kept: the oldest goes that has ended, or the oldest. */
function remembered(runs: readonly ScheduleRun[]): readonly ScheduleRun[] {
  if (runs.length <= MAX_SCHEDULE_RUNS) return runs;
  const ended = runs.findIndex(({ end }) => end !== null);
  const going = Math.max(ended, 0);
  return runs.filter((_, index) => index !== going);
}
