/** `taskexe cron ...`: schedules that executors fire, each run once for the whole fleet. */
import { putSchedule } from "../operations/schedules/put-schedule.ts";
import { findSchedule, listSchedules, type Schedule } from "../operations/schedules/schedule.ts";
import {
  pauseSchedule,
  resumeSchedule,
  runSchedule,
  UnknownScheduleError,
} from "../operations/schedules/schedule-control.ts";
import { scheduleView } from "../operations/views/schedule-view.ts";
import { CronError } from "../task/cron.ts";
import { InvalidTaskError } from "../task/new-task.ts";
import { CREATES, patiently, withBroker } from "./client.ts";
import { CommandFailure, EXIT_FAILED, EXIT_USAGE } from "./exit.ts";
import { type Options, settingsOf } from "./flags.ts";
import { sayIfLost } from "./outlets.ts";
import { note, printFields, printJson, printLine, printTable } from "./output.ts";
import { newScheduleOf } from "./schedule-arguments.ts";
import { payloadOf } from "./task-arguments.ts";

/** Runs `cron list`. Returns the exit code. */
export async function cronList(options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const schedules = await listSchedules(broker);
    if (options.json) printJson(schedules.map(scheduleView));
    else if (schedules.length === 0) printLine("there are no schedules");
    else
      printTable(
        ["name", "cron", "timezone", "type", "queue", "next", "last", "last run"],
        schedules.map((schedule) => [
          ...[schedule.name, schedule.cron, schedule.timezone ?? "UTC", schedule.type, schedule.queue],
          ...[nextOf(schedule), lastOf(schedule), lastRunOf(schedule)],
        ]),
      );
    return 0;
  });
}

/** Runs `cron show`. Returns the exit code. */
export async function cronShow(name: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const schedule = await findSchedule(broker, name);
    if (schedule === null) throw new CommandFailure(new UnknownScheduleError(name).message);
    if (options.json) {
      printJson(scheduleView(schedule));
      return 0;
    }
    // The same names as in the JSON; what nobody said is left out.
    const { runs, ...view } = scheduleView(schedule);
    printFields(
      Object.entries(view)
        .filter(([, value]) => value !== null)
        .map(([key, value]) => [key, shown(key, value)] as const),
    );
    printLine("");
    if (runs.length === 0) printLine("it has not run yet");
    else
      printTable(
        ["run", "time", "state"],
        runs.map(({ id, at, state }) => [id, timeOf(at), state ?? NOTHING_KEPT]),
      );
    return 0;
  });
}

/** Runs `cron add`. Returns the exit code. */
export async function cronAdd(
  name: string,
  cron: string,
  type: string,
  given: string | undefined,
  options: Options,
): Promise<number> {
  const settings = settingsOf(options);
  const payload = await payloadOf(given);
  const wanted = { ...newScheduleOf(options, settings.priorities), name, cron, type, payload };
  return withBroker(
    settings,
    async (broker) => {
      try {
        const stored = await putSchedule(broker, wanted, { ...settings, defaults: null });
        sayIfLost(`the schedule ${name} is kept`);
        if (options.json) printJson(scheduleView(stored));
        else printLine(stored.paused ? `${name} is paused` : `${name} fires next at ${nextOf(stored)}`);
        return 0;
      } catch (error) {
        if (!(error instanceof CronError) && !(error instanceof InvalidTaskError)) throw error;
        throw new CommandFailure(error.message, EXIT_USAGE);
      }
    },
    CREATES,
  );
}

/** Runs `cron remove`. Returns the exit code: 1 when there was none. */
export async function cronRemove(name: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const removed = await broker.removeSchedule(name);
    if (removed) sayIfLost(`the schedule ${name} is removed`);
    if (options.json) printJson({ name, removed });
    else if (removed) printLine(`${name} is removed`);
    if (!removed) note(`taskexe: there is no schedule ${JSON.stringify(name)}`);
    return removed ? 0 : EXIT_FAILED;
  });
}

/** Runs `cron run`: prints the id of the run. Returns the exit code. */
export async function cronRun(name: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker, scope) => {
    // One id for all tries, so that a lost answer never makes two runs of one.
    const at = Math.round(broker.now());
    const receipt = await knownSchedule(() => patiently(broker, scope, () => runSchedule(broker, name, at)));
    const { id, created, state } = receipt;
    sayIfLost(created ? `the run ${id} is enqueued` : `nothing was enqueued: ${id} has not ended`);
    if (!created) note(`taskexe: nothing was enqueued: ${id} has not ended or holds the unique key: ${state}`);
    else if (state === "scheduled") note("taskexe: it waits for the end of the run before it, or for its delay");
    if (options.json) printJson(receipt);
    else printLine(id);
    return 0;
  });
}

/** Runs `cron pause`. Returns the exit code. */
export async function cronPause(name: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const schedule = await knownSchedule(() => pauseSchedule(broker, name));
    sayIfLost(`the schedule ${name} is paused`);
    if (options.json) printJson(scheduleView(schedule));
    else printLine(`${name} is paused; what it misses until it is resumed is not caught up`);
    return 0;
  });
}

/** Runs `cron resume`. Returns the exit code. */
export async function cronResume(name: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const schedule = await knownSchedule(() => resumeSchedule(broker, name));
    sayIfLost(`the schedule ${name} goes on`);
    if (options.json) printJson(scheduleView(schedule));
    else printLine(`${name} goes on and fires next at ${nextOf(schedule)}`);
    return 0;
  });
}

async function knownSchedule<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof UnknownScheduleError || error instanceof InvalidTaskError) {
      throw new CommandFailure(error.message);
    }
    throw error;
  }
}

const NOTHING_KEPT = "ended, nothing kept";

function lastRunOf({ runs: [last] }: Schedule): string {
  if (last === undefined) return "none";
  return last.state ?? NOTHING_KEPT;
}

/**
 * Of its last run, one by hand included; a run of which nothing is known any more still has the schedule's own time.
 */
function lastOf({ runs: [last], lastAt }: Schedule): string {
  return timeOf(last === undefined ? lastAt : Math.max(last.at, lastAt ?? 0));
}

function nextOf({ paused, nextAt }: Schedule): string {
  return paused ? "paused" : timeOf(nextAt);
}

function timeOf(at: number | null): string {
  return at === null ? "never" : new Date(at).toISOString();
}

function shown(key: string, value: unknown): string {
  if (typeof value === "number" && key.endsWith("_at")) return timeOf(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}
