/** What the commands about schedules share: how times and runs are shown, and a schedule that is not there. */

import type { Schedule } from "../../../operations/schedules/schedule.ts";
import { UnknownScheduleError } from "../../../operations/schedules/schedule-control.ts";
import { InvalidTaskError } from "../../../task/message/new-task.ts";
import { CommandFailure } from "../../process/exit.ts";

export async function knownSchedule<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof UnknownScheduleError || error instanceof InvalidTaskError) {
      throw new CommandFailure(error.message);
    }
    throw error;
  }
}

export const NOTHING_KEPT = "ended, nothing kept";

export function lastRunOf({ runs: [last] }: Schedule): string {
  if (last === undefined) return "none";
  return last.state ?? NOTHING_KEPT;
}

/**
 * Of its last run, one by hand included; a run of which nothing is known any more still has the schedule's own time.
 */
export function lastOf({ runs: [last], lastAt }: Schedule): string {
  return timeOf(last === undefined ? lastAt : Math.max(last.at, lastAt ?? 0));
}

export function nextOf({ paused, nextAt }: Schedule): string {
  return paused ? "paused" : timeOf(nextAt);
}

export function timeOf(at: number | null): string {
  return at === null ? "never" : new Date(at).toISOString();
}
