/** `taskexe cron pause`: lets a schedule fire no more. */
import type { Command } from "commander";
import { pauseSchedule } from "../../../operations/schedules/schedule-control.ts";
import { scheduleView } from "../../../operations/views/schedule-view.ts";
import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { recordChange } from "../../changes/record-change.ts";
import { sayIfLost } from "../../output/outlets.ts";
import { printJson, printLine } from "../../output/print.ts";
import { withBroker } from "../../process/with-broker.ts";
import { knownSchedule } from "./shown.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("let a schedule fire no more until it is resumed")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) => exit(await cronPause(name, options)));
}

/** Runs `cron pause`. Returns the exit code. */
async function cronPause(name: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const schedule = await knownSchedule(() => pauseSchedule(broker, name));
    await recordChange(broker, { what: "pauseSchedule", of: { name }, count: 1 });
    sayIfLost(`the schedule ${name} is paused`);
    if (options.json) printJson(scheduleView(schedule));
    else printLine(`${name} is paused; what it misses until it is resumed is not caught up`);
    return 0;
  });
}
