/** A schedule by hand: run it now, pause it, resume it. Each may be asked again, and happens once. */

import type { EnqueueReceipt } from "../../broker/broker.ts";
import type { ScheduleState, StoredSchedule } from "../../broker/contract/schedules.ts";
import { nextRun } from "../../task/times/cron.ts";
import { MOST_TRIES } from "./put-schedule.ts";
import { type Schedule, type ScheduleBroker, scheduleOf } from "./schedule.ts";
import { askStates, changing, firing, overlapNow, runId, settled, skipping, stateOf } from "./schedule-runs.ts";

/** There is no schedule of that name. */
export class UnknownScheduleError extends Error {
  override readonly name = "UnknownScheduleError";

  constructor(name: string) {
    super(`there is no schedule ${JSON.stringify(name)}`);
  }
}

/**
 * Enqueues a run now, whether it is paused or not; when it fires next stays.
 *
 * @param at - from which its id is made, Unix ms on the broker's clock: asked again with the same it changes nothing.
 * @returns as an enqueue does. Where an earlier run has not ended and its `overlap` is `skip`, or another task holds
 * the
 *   unique key, `created` is false and the id is that one's; with `queue` the run is scheduled for that one's end.
 * @throws UnknownScheduleError.
 */
export async function runSchedule(broker: ScheduleBroker, name: string, at = broker.now()): Promise<EnqueueReceipt> {
  const dueAt = Math.round(at);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const schedule = await found(broker, name);
    const receipt = await runOnce(broker, schedule, dueAt);
    if (receipt !== null) return receipt;
  }
  throw changedByOthers(name);
}

/** One try; null where somebody else has changed it meanwhile. */
async function runOnce(broker: ScheduleBroker, schedule: StoredSchedule, at: number): Promise<EnqueueReceipt | null> {
  const { name, waitingAt, runs } = schedule;
  const id = runId(name, at);
  const states = await askStates(broker, [schedule]);
  if (runs.some((run) => run.at === at)) return { id, created: true, state: states.get(id) ?? "done" };
  if (waitingAt === at) return { id, created: true, state: "scheduled" };
  const state: ScheduleState = { ...stateOf(schedule), runs: settled(schedule, states) };
  const busy = state.runs.findLast(({ end }) => end === null);
  const overlap = overlapNow(schedule, broker.now());
  if (busy !== undefined && overlap === "skip") {
    const holder = runId(name, busy.at);
    return { id: holder, created: false, state: states.get(holder) ?? "queued" };
  }
  if (busy !== undefined && overlap === "queue") {
    if (waitingAt !== null) return { id: runId(name, waitingAt), created: false, state: "scheduled" };
    const { changed } = await broker.changeSchedule(changing(schedule, { ...state, waitingAt: at }).change);
    return changed ? { id, created: true, state: "scheduled" } : null;
  }
  const step = firing(schedule, at, state, broker.now());
  const result = await broker.changeSchedule(step.change);
  if (!result.changed) return null;
  step.sending?.ended();
  return result.receipt;
}

/**
 * Lets a schedule fire no more until it is resumed. What it has enqueued stays; a run that waits for the one before is
 * left out.
 *
 * @throws UnknownScheduleError.
 */
export function pauseSchedule(broker: ScheduleBroker, name: string): Promise<Schedule> {
  return change(broker, name, (state) => {
    if (state.paused) return null;
    const { waitingAt } = state;
    const rest = waitingAt === null ? state : { ...skipping(state, waitingAt), waitingAt: null };
    return { ...rest, paused: true, nextAt: null };
  });
}

/**
 * Lets it fire again, from the next time on: what it missed while it was paused is not caught up.
 *
 * @throws UnknownScheduleError.
 */
export function resumeSchedule(broker: ScheduleBroker, name: string): Promise<Schedule> {
  return change(broker, name, (state, { cron, timezone }) =>
    state.paused ? { ...state, paused: false, nextAt: nextRun(cron, timezone, broker.now()) } : null,
  );
}

async function change(
  broker: ScheduleBroker,
  name: string,
  next: (state: ScheduleState, schedule: StoredSchedule) => ScheduleState | null,
): Promise<Schedule> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const schedule = await found(broker, name);
    const state = next(stateOf(schedule), schedule);
    if (state !== null && !(await broker.changeSchedule(changing(schedule, state).change)).changed) continue;
    const stored = { ...schedule, ...state };
    return scheduleOf(stored, await askStates(broker, [stored], true));
  }
  throw changedByOthers(name);
}

async function found(broker: ScheduleBroker, name: string): Promise<StoredSchedule> {
  const schedule = await broker.schedule(name);
  if (schedule === null) throw new UnknownScheduleError(name);
  return schedule;
}

function changedByOthers(name: string): Error {
  return new Error(`the schedule ${name} was changed by others ${MOST_TRIES} times meanwhile: ask again`);
}
