/** Puts a cron schedule: every check that its firing would make, and the first time at which it comes due. */
import * as v from "valibot";
import { nextRun } from "../../task/cron.ts";
import type { EnqueueOptions } from "../../task/enqueue-options.ts";
import { JsonText } from "../../task/json-text.ts";
import { InvalidTaskError, prepareTask, type Surroundings } from "../../task/new-task.ts";
import type { Schedule } from "../administration.ts";
import type { Broker } from "../broker.ts";

/** How many schedules one broker has. */
export const MAX_SCHEDULES = 1_000;

/** Names stand in ids and paths. */
export const ScheduleNameSchema = v.pipe(
  v.string("must be a string"),
  v.regex(/^[\w.-]{1,128}$/, "must be letters, digits, dot, dash and underscore, at most 128 of them"),
);

export interface NewSchedule extends Pick<EnqueueOptions, "queue" | "priority" | "retentionMs"> {
  readonly name: string;
  readonly cron: string;
  /** An IANA time zone; absent or null: UTC. */
  readonly timezone?: string | null | undefined;
  readonly type: string;
  /** A value, or a JsonText that is kept as it is. */
  readonly payload?: unknown;
}

/**
 * Stores the schedule, or replaces the one of that name.
 *
 * @param surroundings - what holds where the schedule does not say.
 * @throws CronError where the pattern or the zone cannot be read; InvalidTaskError where anything else is wrong.
 */
export async function putSchedule(
  broker: Broker,
  schedule: NewSchedule,
  surroundings: Omit<Surroundings, "now">,
): Promise<Schedule> {
  const { name, cron, timezone = null, type, payload = null, ...options } = schedule;
  const named = v.safeParse(ScheduleNameSchema, name);
  if (!named.success) throw new InvalidTaskError(`name: ${named.issues[0].message}`);
  const now = broker.now();
  const nextAt = nextRun(cron, timezone, now);
  if (nextAt === null) throw new InvalidTaskError(`the cron pattern ${JSON.stringify(cron)} never comes due`);
  const task = prepareTask(type, payload, options, { ...surroundings, now });
  const stored = {
    name,
    cron,
    timezone,
    type,
    queue: task.queue,
    priority: task.priority,
    payload: payload instanceof JsonText ? payload.text : JSON.stringify(payload),
    retentionMs: task.retentionMs,
  };
  const present = await broker.schedules();
  const before = present.find((other) => other.name === name);
  if (before === undefined && present.length >= MAX_SCHEDULES) {
    throw new InvalidTaskError(`there are ${MAX_SCHEDULES} schedules, which is the most there can be: remove one`);
  }
  await broker.putSchedule(stored, nextAt);
  return { ...stored, nextAt, lastAt: before?.lastAt ?? null };
}
