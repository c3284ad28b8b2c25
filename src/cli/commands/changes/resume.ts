/** `taskexe resume`: lets a queue or a type go on. */
import type { Command } from "commander";
import { resume as resumeTarget } from "../../../operations/pauses.ts";
import { type Options, settingsOf, withBrokerFlags } from "../../arguments/flags.ts";
import { pauseTargetOf } from "../../arguments/pause-target.ts";
import { recordChange } from "../../changes/record-change.ts";
import { printPaused } from "../../output/print-paused.ts";
import { withBroker } from "../../process/with-broker.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("let a queue or a type go on")
    .argument("<kind>", "queue or type")
    .argument("<name>", "its name")
    .option("--json", "print JSON")
    .action(async (kind: string, name: string, options: Options) => exit(await resume(kind, name, options)));
}

/** Runs `resume`. Returns the exit code. */
async function resume(kind: string, name: string, options: Options): Promise<number> {
  const target = pauseTargetOf(kind, name, "resume");
  return withBroker(settingsOf(options), async (broker) => {
    const view = await resumeTarget(broker, target);
    const what = target.kind === "queue" ? "resumeQueue" : "resumeType";
    await recordChange(broker, { what, of: target, count: 1 });
    printPaused(view, options);
    return 0;
  });
}
