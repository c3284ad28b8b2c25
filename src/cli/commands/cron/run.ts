/** `taskexe cron run`: enqueues a run of a schedule now. */
import type { Command } from "commander";
import { runSchedule } from "../../../operations/schedules/schedule-control.ts";
import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { recordChange } from "../../changes/record-change.ts";
import { sayIfLost } from "../../output/outlets.ts";
import { note, printJson, printLine } from "../../output/print.ts";
import { patiently, withBroker } from "../../process/with-broker.ts";
import { knownSchedule } from "./shown.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("enqueue a run now, also while it is paused, and print its id")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) => exit(await cronRun(name, options)));
}

/** Runs `cron run`: prints the id of the run. Returns the exit code. */
async function cronRun(name: string, options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker, scope) => {
    // One id for all tries, so that a lost answer never makes two runs of one.
    const at = Math.round(broker.now());
    const receipt = await knownSchedule(() => patiently(broker, scope, () => runSchedule(broker, name, at)));
    await recordChange(broker, { what: "runSchedule", of: { name }, count: receipt.created ? 1 : 0 });
    const { id, created, state } = receipt;
    sayIfLost(created ? `the run ${id} is enqueued` : `nothing was enqueued: ${id} has not ended`);
    if (!created) note(`taskexe: nothing was enqueued: ${id} has not ended or holds the unique key: ${state}`);
    else if (state === "scheduled") note("taskexe: it waits for the end of the run before it, or for its delay");
    if (options.json) printJson(receipt);
    else printLine(id);
    return 0;
  });
}
