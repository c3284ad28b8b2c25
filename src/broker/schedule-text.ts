/** Schedules as both brokers keep them: one JSON text for the definition and one for the state. */
import { randomUUID } from "node:crypto";
import * as v from "valibot";
import {
  OverlapSchema,
  ScheduleDefaultsSchema,
  ScheduleOptionsSchema,
  said,
} from "../task/options/schedule-options.ts";
import { TASK_STATES } from "../task/state.ts";
import type { ScheduleDefinition, ScheduleState, StoredSchedule } from "./contract/schedules.ts";

const Time = v.nullable(v.number());

const Head = {
  name: v.string(),
  cron: v.string(),
  timezone: v.nullable(v.string()),
  type: v.string(),
  payload: v.string(),
  retentionMs: v.number(),
};

const DefinitionSchema = v.object({
  ...Head,
  options: ScheduleOptionsSchema,
  defaults: v.nullable(ScheduleDefaultsSchema),
  overlap: v.nullable(OverlapSchema),
});

/** As the first version wrote it: the place of the tasks was worked out when it was put. */
const FirstSchema = v.object({
  ...Head,
  queue: v.string(),
  priority: v.number(),
  lastAt: v.optional(Time, null),
});

const StateSchema = v.object({
  nextAt: Time,
  lastAt: Time,
  paused: v.boolean(),
  waitingAt: Time,
  runs: v.array(v.object({ at: v.number(), end: v.nullable(v.picklist([...TASK_STATES, "gone"])) })),
  skipped: v.number(),
  lastSkippedAt: Time,
});

/** A schedule that has not run yet. */
export const NEW_STATE: ScheduleState = {
  nextAt: null,
  lastAt: null,
  paused: false,
  waitingAt: null,
  runs: [],
  skipped: 0,
  lastSkippedAt: null,
};

export function definitionText(definition: ScheduleDefinition): string {
  const { name, cron, timezone, type, payload, options, defaults, overlap, retentionMs } = definition;
  return JSON.stringify({ name, cron, timezone, type, payload, options, defaults, overlap, retentionMs });
}

/** No two texts are the same, so that whoever compares them sees that it was changed and changed back. */
export function stateText(state: ScheduleState): string {
  const { nextAt, lastAt, paused, waitingAt, runs, skipped, lastSkippedAt } = state;
  const revision = randomUUID();
  return JSON.stringify({ revision, nextAt, lastAt, paused, waitingAt, runs, skipped, lastSkippedAt });
}

/**
 * From the two texts to the schedule; null where it is none.
 *
 * @param state - its text; empty: the first version has written it.
 * @param firstNextAt - when it fires next, where the first version has written it.
 */
export function readSchedule(definition: string, state: string, firstNextAt: number | null): StoredSchedule | null {
  const parsed = parse(definition);
  const written = v.safeParse(DefinitionSchema, parsed);
  const known = state === "" ? null : v.safeParse(StateSchema, parse(state));
  if (known?.success === false) return null;
  if (written.success) {
    const { options, defaults, ...rest } = written.output;
    const read = { ...rest, options: said(options), defaults: defaults === null ? null : said(defaults) };
    return { ...read, ...(known?.output ?? { ...NEW_STATE, nextAt: firstNextAt }), revision: state };
  }
  const first = v.safeParse(FirstSchema, parsed);
  if (!first.success) return null;
  const { queue, priority, retentionMs, lastAt, ...head } = first.output;
  const options = { queue, priority, retentionMs };
  const began = { ...NEW_STATE, nextAt: firstNextAt, lastAt };
  return { ...head, options, defaults: null, overlap: null, retentionMs, ...(known?.output ?? began), revision: state };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
