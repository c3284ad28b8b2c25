/** The JSON form of a schedule, for the command line and the API alike. */
import * as v from "valibot";
import { saidJsonEntries, saidRunOptionsJson } from "../../task/options/run-options.ts";
import { OVERLAPS } from "../../task/options/schedule-options.ts";
import { TASK_STATES } from "../../task/state.ts";
import { JsonText } from "../../task/text/json-text.ts";
import type { Schedule } from "../schedules/schedule.ts";

const Count = v.nullable(v.number());

export const ScheduleView = v.object({
  name: v.string(),
  cron: v.string(),
  timezone: v.nullable(v.string()),
  type: v.string(),
  payload: v.unknown(),
  payload_bytes: v.number(),
  queue: v.string(),
  priority: v.number(),
  ...saidJsonEntries(),
  delay_ms: Count,
  deadline_ms: Count,
  retention_ms: v.number(),
  unique: v.nullable(v.object({ key: v.nullable(v.string()), for_ms: v.union([v.number(), v.literal("until-done")]) })),
  overlap: v.picklist(OVERLAPS),
  paused: v.boolean(),
  next_at: Count,
  last_at: Count,
  waiting_at: Count,
  skipped: v.number(),
  last_skipped_at: Count,
  runs: v.array(v.object({ id: v.string(), at: v.number(), state: v.nullable(v.picklist(TASK_STATES)) })),
});

export function scheduleView(schedule: Schedule): v.InferOutput<typeof ScheduleView> {
  const { name, cron, timezone, type, payload, queue, priority } = schedule;
  return {
    ...{ name, cron, timezone, type, payload: new JsonText(payload), queue, priority },
    payload_bytes: schedule.payloadBytes,
    ...saidRunOptionsJson(schedule),
    delay_ms: schedule.delayMs,
    deadline_ms: schedule.deadlineMs,
    retention_ms: schedule.retentionMs,
    unique: schedule.unique && { key: schedule.unique.key, for_ms: schedule.unique.forMs },
    overlap: schedule.overlap,
    paused: schedule.paused,
    next_at: schedule.nextAt,
    last_at: schedule.lastAt,
    waiting_at: schedule.waitingAt,
    skipped: schedule.skipped,
    last_skipped_at: schedule.lastSkippedAt,
    runs: [...schedule.runs],
  };
}
