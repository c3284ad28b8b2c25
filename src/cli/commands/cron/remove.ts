/** `taskexe cron remove`: removes a schedule. */
import type { Command } from "commander";
import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { recordChange } from "../../changes/record-change.ts";
import { sayIfLost } from "../../output/outlets.ts";
import { note, printJson, printLine } from "../../output/print.ts";
import { EXIT_FAILED } from "../../process/exit.ts";
import { withBroker } from "../../process/with-broker.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("remove a schedule; the tasks that it has enqueued stay")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) => exit(await cronRemove(name, options)));
}

/** Runs `cron remove`. Returns the exit code: 1 when there was none. */
async function cronRemove(name: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const removed = await broker.removeSchedule(name);
    if (removed) await recordChange(broker, { what: "removeSchedule", of: { name }, count: 1 });
    if (removed) sayIfLost(`the schedule ${name} is removed`);
    if (options.json) printJson({ name, removed });
    else if (removed) printLine(`${name} is removed`);
    if (!removed) note(`taskexe: there is no schedule ${JSON.stringify(name)}`);
    return removed ? 0 : EXIT_FAILED;
  });
}
