/** The arguments of `cron add`, beside its name, pattern, type and payload. */
import type { NewSchedule } from "../../operations/schedules/put-schedule.ts";
import { OVERLAPS } from "../../task/options/schedule-options.ts";
import { usageError } from "../process/exit.ts";
import { type Options, text } from "./flags.ts";
import { durationOf, priorityOf, queueOf, runOptionsOf } from "./task-arguments.ts";

const COMMAND = "cron add";

/** @param priorities - how many the fleet has. */
export function newScheduleOf(
  options: Options,
  priorities: number,
): Omit<NewSchedule, "name" | "cron" | "type" | "payload"> {
  return {
    ...runOptionsOf(options, COMMAND),
    timezone: text(options.timezone) ?? null,
    overlap: overlapOf(options),
    // What is not said is left to the definition.
    queue: options.queue === undefined ? undefined : queueOf(options, COMMAND),
    priority: options.priority === undefined ? undefined : priorityOf(options, priorities, COMMAND),
    deadlineMs: durationOf(options, "deadline", COMMAND),
  };
}

function overlapOf(options: Options): NewSchedule["overlap"] {
  const given = text(options.overlap);
  if (given === undefined) return null;
  const overlap = OVERLAPS.find((one) => one === given);
  if (overlap !== undefined) return overlap;
  throw usageError(`flag --overlap: expected ${OVERLAPS.join(", ")}, got ${JSON.stringify(given)}`, COMMAND);
}
