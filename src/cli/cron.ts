/** `taskexe cron list | add | remove`: schedules that executors fire, each run once for the whole fleet. */
import { putSchedule } from "../broker/operations/put-schedule.ts";
import { CronError } from "../task/cron.ts";
import { JsonText } from "../task/json-text.ts";
import { InvalidTaskError } from "../task/new-task.ts";
import { CREATES, withBroker } from "./client.ts";
import { CommandFailure, EXIT_FAILED, EXIT_USAGE } from "./exit.ts";
import { type Options, settingsOf } from "./flags.ts";
import { sayIfLost } from "./outlets.ts";
import { note, printJson, printLine, printTable } from "./output.ts";
import { payloadOf, priorityOf, queueOf } from "./task-arguments.ts";

/** Runs `cron list`. Returns the exit code. */
export async function cronList(options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const schedules = await broker.schedules();
    if (options.json) printJson(schedules.map(({ payload, ...rest }) => ({ ...rest, payload: new JsonText(payload) })));
    else if (schedules.length === 0) printLine("there are no schedules");
    else
      printTable(
        ["name", "cron", "timezone", "type", "queue", "next", "last"],
        schedules.map(({ name, cron, timezone, type, queue, nextAt, lastAt }) => [
          ...[name, cron, timezone ?? "UTC", type, queue],
          ...[timeOf(nextAt), timeOf(lastAt)],
        ]),
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
  const timezone = typeof options.timezone === "string" ? options.timezone : null;
  const place = { queue: queueOf(options, "cron add"), priority: priorityOf(options, settings.priorities, "cron add") };
  return withBroker(
    settings,
    async (broker) => {
      try {
        const stored = await putSchedule(broker, { name, cron, timezone, type, payload, ...place }, settings);
        sayIfLost(`the schedule ${name} is kept`);
        if (options.json) printJson({ ...stored, payload });
        else printLine(`${name} fires next at ${timeOf(stored.nextAt)}`);
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

function timeOf(at: number | null): string {
  return at === null ? "never" : new Date(at).toISOString();
}
