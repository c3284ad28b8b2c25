/**
 * Fires cron schedules. Every executor looks; the broker lets one of them fire each time that comes due. Runs that were
 * missed while nobody was up are caught up once, however many they were.
 */
import { getLogger } from "@logtape/logtape";
import type { Schedule } from "../broker/administration.ts";
import type { Broker } from "../broker/broker.ts";
import { sleep } from "../concurrency/index.ts";
import { nextRun } from "../task/cron.ts";
import { MAX_PRIORITIES } from "../task/enqueue-options.ts";
import { JsonText } from "../task/json-text.ts";
import { prepareTask, requestOf } from "../task/new-task.ts";
import { ifAvailable } from "./patience.ts";

const logger = getLogger(["taskexe", "schedules"]);

/** The longest pause between two looks, in ms: somebody may have put a schedule meanwhile. */
const LOOK_MS = 1_000;
const SHORTEST_PAUSE_MS = 5;

/** The part of a broker that schedules need. */
export type ScheduleBroker = Pick<Broker, "now" | "schedules" | "fireSchedule">;

/** Fires what comes due until the signal aborts. A broker that is away only means another look. */
export async function fireSchedules(broker: ScheduleBroker, signal: AbortSignal): Promise<never> {
  const told = new Set<string>();
  for (;;) {
    let pauseMs = LOOK_MS;
    await ifAvailable(async () => {
      pauseMs = await fireDue(broker, told);
    });
    await sleep(pauseMs, signal);
  }
}

/**
 * Looks once.
 *
 * @param told - schedules that have been complained about; one that cannot be fired is told once.
 * @returns how long until the next look, in ms.
 */
export async function fireDue(broker: ScheduleBroker, told: Set<string>): Promise<number> {
  const schedules = await broker.schedules();
  let nextAt = Number.POSITIVE_INFINITY;
  for (const schedule of schedules) {
    const dueAt = schedule.nextAt;
    if (dueAt === null) continue;
    const following = dueAt <= broker.now() ? await fire(broker, schedule, dueAt, told) : dueAt;
    nextAt = Math.min(nextAt, following ?? Number.POSITIVE_INFINITY);
  }
  return Math.min(Math.max(nextAt - broker.now(), SHORTEST_PAUSE_MS), LOOK_MS);
}

/** Gives the time after this one, or null where there is none. */
async function fire(
  broker: ScheduleBroker,
  schedule: Schedule,
  dueAt: number,
  told: Set<string>,
): Promise<number | null> {
  const { name } = schedule;
  const planned = plan(schedule, dueAt, broker.now());
  if (typeof planned === "string") {
    if (!told.has(name)) logger.error("The schedule {name} cannot be fired: {reason}", { name, reason: planned });
    told.add(name);
    return null;
  }
  told.delete(name);
  const { nextAt, request } = planned;
  if (await broker.fireSchedule(name, dueAt, nextAt, request)) {
    logger.info("Fired the schedule {name}: {type} as {id}", { name, type: schedule.type, id: request.id });
  }
  return nextAt;
}

function plan(schedule: Schedule, dueAt: number, now: number) {
  const { name, cron, timezone, type, queue, priority, payload, retentionMs } = schedule;
  try {
    // Counted from now and not from the time that was due: what was missed comes once.
    const nextAt = nextRun(cron, timezone, now);
    const options = { id: `cron-${name}-${dueAt}`, queue, priority, retentionMs };
    // The fleet's number of priorities was known to whoever put it.
    const surroundings = { now, retentionMs, priorities: MAX_PRIORITIES };
    return { nextAt, request: requestOf(prepareTask(type, new JsonText(payload), options, surroundings), now) };
  } catch (error) {
    // Only what is stored can be wrong here: what is put through our own doors was checked there.
    return error instanceof Error ? error.message : String(error);
  }
}
