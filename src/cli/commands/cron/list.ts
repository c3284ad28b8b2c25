/** `taskexe cron list`: all schedules, with their next and last times. */
import type { Command } from "commander";
import { allSchedules } from "../../../operations/schedules/schedule.ts";
import { scheduleView } from "../../../operations/views/schedule-view.ts";
import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { printJson, printLine, printTable } from "../../output/print.ts";
import { withBroker } from "../../process/with-broker.ts";
import { lastOf, lastRunOf, nextOf } from "./shown.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("list schedules with their next and last times")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await cronList(options)));
}

/** Runs `cron list`. Returns the exit code. */
async function cronList(options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const schedules = await allSchedules(broker);
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
