/** `taskexe cron add`: stores a schedule, or replaces the one of that name. */
import type { Command } from "commander";
import { putSchedule } from "../../../operations/schedules/put-schedule.ts";
import { scheduleView } from "../../../operations/views/schedule-view.ts";
import { InvalidTaskError } from "../../../task/message/new-task.ts";
import { CronError } from "../../../task/times/cron.ts";
import { type Options, settingsOf, withBrokerFlags, withRunFlags } from "../../arguments/flags.ts";
import { newScheduleOf } from "../../arguments/schedule-arguments.ts";
import { payloadOf } from "../../arguments/task-arguments.ts";
import { recordChange } from "../../changes/record-change.ts";
import { sayIfLost } from "../../output/outlets.ts";
import { printJson, printLine } from "../../output/print.ts";
import { CommandFailure, EXIT_USAGE } from "../../process/exit.ts";
import { CREATES, withBroker } from "../../process/with-broker.ts";
import { nextOf } from "./shown.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withRunFlags(withBrokerFlags(command))
    .description("store a schedule, or replace the one of that name; the same again keeps its next time")
    .argument("<name>", "its name")
    .argument("<cron>", "minute hour day month weekday, seconds in front if wanted, @daily or '@every 30s'; in quotes")
    .argument("<type>", "the type of its tasks")
    .argument("[payload]", "their payload as JSON, as @FILE to read it from, or - for standard input")
    .option("--timezone <zone>", "an IANA time zone like Europe/Berlin (default: UTC)")
    .option("--overlap <how>", "while an earlier run has not ended: skip, queue or allow (default: skip where unique)")
    .option("--queue <name>", "the queue (default: the definition's, then common)")
    .option("--priority <number>", "0 is ordinary, 1 is urgent; up to 9 where the setting priorities says so")
    .option("--delay <duration>", "queue each task only after this time")
    .option("--deadline <duration>", "so long after it was enqueued each task must have ended")
    .option("--json", "print JSON")
    .action(async (name: string, pattern: string, type: string, payload: string | undefined, options: Options) =>
      exit(await cronAdd(name, pattern, type, payload, options)),
    );
}

/** Runs `cron add`. Returns the exit code. */
async function cronAdd(
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
        const stored = await putSchedule(broker, wanted, settings);
        await recordChange(broker, { what: "putSchedule", of: { name, cron, type, queue: stored.queue }, count: 1 });
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
