/**
 * Puts a cron schedule: every check that its firing would make, and the first time at which it comes due. Putting the
 * same again, as each deploy does, changes nothing of when it fires.
 */
import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import type { ScheduleDefinition, ScheduleState, StoredSchedule } from "../../broker/contract/schedules.ts";
import { NEW_STATE } from "../../broker/schedule-text.ts";
import { InvalidTaskError, payloadText, prepareTask, told } from "../../task/message/new-task.ts";
import { KnownQueueSchema } from "../../task/options/enqueue-options.ts";
import {
  type Overlap,
  OverlapSchema,
  runOptions,
  type ScheduleOptions,
  ScheduleOptionsSchema,
  said,
  scheduleDefaultsOf,
  TimetableSchema,
} from "../../task/options/schedule-options.ts";
import { nextRun } from "../../task/times/cron.ts";
import { checkPayload, type KnownType, type Preparation } from "../prepare.ts";
import { type Schedule, type ScheduleBroker, scheduleOf } from "./schedule.ts";
import { askStates, stateOf } from "./schedule-runs.ts";

/** How many schedules one broker has. */
export const MAX_SCHEDULES = 100_000;
/** How often it is tried where somebody else changes it in the same moment: executors do as runs begin and end. */
export const MOST_TRIES = 20;

/** Names stand in ids and paths, as those of queues do. */
export const ScheduleNameSchema = KnownQueueSchema;

export interface NewSchedule extends ScheduleOptions {
  readonly name: string;
  readonly cron: string;
  /** An IANA time zone; absent or null: UTC. */
  readonly timezone?: string | null | undefined;
  readonly type: string;
  /** A value, or a JsonText that is kept as it is. */
  readonly payload?: unknown;
  /** What a run does while an earlier one has not ended. Default: `skip` where its tasks are unique, else `allow`. */
  readonly overlap?: Overlap | null | undefined;
}

/** What holds where the schedule does not say. */
export interface ScheduleSurroundings extends Preparation {
  /** What the definition of its type says; absent: it is not at hand, and an executor that has it tells later. */
  readonly known?: KnownType | undefined;
}

/**
 * Stores the schedule, or replaces the one of that name. Its next time, a run that was missed and a pause stay, unless
 * it has another pattern or zone: then the next time is worked out anew.
 *
 * @throws CronError where the pattern or the zone cannot be read; PayloadRefusedError where the schema of the type
 *   refuses the payload; InvalidTaskError where anything else is wrong.
 */
export async function putSchedule(
  broker: ScheduleBroker,
  schedule: NewSchedule,
  surroundings: ScheduleSurroundings,
): Promise<Schedule> {
  const wanted = await checked(broker, schedule, surroundings);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const before = await broker.schedule(wanted.name);
    if (before === null) await checkNumber(broker);
    const kept = before?.type === wanted.type ? before.defaults : null;
    const definition = { ...wanted, defaults: wanted.defaults ?? kept };
    const state = stateAfter(before, definition, broker.now());
    if (before === null || !isSame(before, definition, state)) {
      const { name } = definition;
      const { changed } = await broker.changeSchedule({ name, revision: before?.revision ?? null, definition, state });
      if (!changed) continue;
    }
    const stored = { ...definition, ...state, revision: "" };
    return scheduleOf(stored, await askStates(broker, [stored], true));
  }
  throw new Error(
    `the schedule ${wanted.name} was changed by others ${MOST_TRIES} times while it was put: put it again`,
  );
}

async function checked(broker: ScheduleBroker, schedule: NewSchedule, { known, ...others }: ScheduleSurroundings) {
  const { name, cron, timezone = null, type, payload = null, overlap = null, ...options } = schedule;
  const named = v.safeParse(ScheduleNameSchema, name);
  if (!named.success) throw new InvalidTaskError(`name: ${named.issues[0].message}`);
  const lapping = v.safeParse(v.nullable(OverlapSchema), overlap);
  if (!lapping.success) throw new InvalidTaskError(`overlap: ${lapping.issues[0].message}`);
  const chosen = v.safeParse(ScheduleOptionsSchema, options);
  if (!chosen.success) throw new InvalidTaskError(told(chosen.issues));
  const timed = v.safeParse(TimetableSchema, { cron, timezone });
  if (!timed.success) throw new InvalidTaskError(told(timed.issues));
  const now = broker.now();
  nextRun(cron, timezone, now);
  const json = payloadText(payload);
  const defaults = scheduleDefaultsOf(known?.options);
  prepareTask(type, json, runOptions(options, defaults, now), { ...others, now });
  await checkPayload(json, known);
  const { retentionMs } = others;
  return { name, cron, timezone, type, payload: json.text, options: said(options), defaults, overlap, retentionMs };
}

async function checkNumber(broker: ScheduleBroker): Promise<void> {
  if ((await broker.countSchedules()) < MAX_SCHEDULES) return;
  throw new InvalidTaskError(`there are ${MAX_SCHEDULES} schedules, which is the most there can be: remove one`);
}

function stateAfter(before: StoredSchedule | null, { cron, timezone }: ScheduleDefinition, now: number): ScheduleState {
  if (before !== null && timetableOf(before) === timetableOf({ cron, timezone })) return stateOf(before);
  const nextAt = nextRun(cron, timezone, now);
  if (nextAt === null) throw new InvalidTaskError(`the cron pattern ${JSON.stringify(cron)} never comes due`);
  const state = before === null ? NEW_STATE : stateOf(before);
  return { ...state, nextAt: state.paused ? null : nextAt };
}

function timetableOf({ cron, timezone }: Pick<ScheduleDefinition, "cron" | "timezone">): string {
  return `${timezone ?? "UTC"} ${cron.trim()}`;
}

function isSame(before: StoredSchedule, definition: ScheduleDefinition, state: ScheduleState): boolean {
  const { revision: _, ...rest } = before;
  return isDeepStrictEqual(rest, { ...definition, ...state });
}
