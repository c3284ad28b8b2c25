/** `taskexe cron resume`: lets a schedule fire again. */
import type { Command } from "commander";
import { resumeSchedule } from "../../../operations/schedules/schedule-control.ts";
import { scheduleView } from "../../../operations/views/schedule-view.ts";
import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { recordChange } from "../../changes/record-change.ts";
import { sayIfLost } from "../../output/outlets.ts";
import { printJson, printLine } from "../../output/print.ts";
import { withBroker } from "../../process/with-broker.ts";
import { knownSchedule, nextOf } from "./shown.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("let a schedule fire again; what it missed meanwhile is not caught up")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) => exit(await cronResume(name, options)));
}

/** Runs `cron resume`. Returns the exit code. */
async function cronResume(name: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const schedule = await knownSchedule(() => resumeSchedule(broker, name));
    await recordChange(broker, { what: "resumeSchedule", of: { name }, count: 1 });
    sayIfLost(`the schedule ${name} goes on`);
    if (options.json) printJson(scheduleView(schedule));
    else printLine(`${name} goes on and fires next at ${nextOf(schedule)}`);
    return 0;
  });
}
