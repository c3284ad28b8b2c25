/** `taskexe purge`: removes the records of ended tasks. Asks nothing; tells how many are gone. */
import type { Command } from "commander";
import { purgeMatching } from "../../../operations/changes/bulk.ts";
import { ENDED_STATES } from "../../../task/state.ts";
import { choice, settingsWithQueue, taskFlags } from "../../arguments/filters.ts";
import { type Options, withBrokerFlags } from "../../arguments/flags.ts";
import { recordOf } from "../../changes/record-change.ts";
import { counted, matching, wouldChange } from "../../output/counted.ts";
import { howMany } from "../../output/how-many.ts";
import { sayIfLost } from "../../output/outlets.ts";
import { printJson, printLine } from "../../output/print.ts";
import { usageError } from "../../process/exit.ts";
import { withBroker } from "../../process/with-broker.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("remove the records of ended tasks in the configured queues, without asking")
    .option("--state <state>", "done, dead or cancelled")
    .option("--type <type>", "only of this type")
    .option("--queue <name>", "only in this queue, also where it is not configured")
    .option("--dry-run", "only count those that match")
    .option("--json", "print JSON")
    .action(async (options: Options) => exit(await purge(options)));
}

/** Runs the command. Returns the exit code. */
async function purge(options: Options): Promise<number> {
  const state = choice(options, "state", ENDED_STATES, "purge");
  if (state === undefined) throw usageError("purge needs --state done, dead or cancelled", "purge");
  const filter = taskFlags(options, "purge");
  return withBroker(settingsWithQueue(options), async (broker, scope) => {
    if (options.dryRun) return wouldChange(broker, filter, [state], options, scope);
    const total = await matching(broker, filter, [state]);
    const record = recordOf(broker, "purgeTasks", { ...filter, state });
    const told = { doing: "purging", done: "removed", what: "record", total, record };
    const purged = await counted(told, purgeMatching(broker, { ...filter, state }), scope);
    sayIfLost(`${purged} records are removed`);
    if (options.json) printJson({ purged });
    else printLine(`${howMany(purged, "record")} removed`);
    return 0;
  });
}
