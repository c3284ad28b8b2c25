/**
 * `taskexe promote`: queues scheduled and retrying tasks at once: by id, telling how each was found, or all that match.
 */
import type { Command } from "commander";
import { inBatches, promoteMatching } from "../../../operations/changes/bulk.ts";
import { type PromoteReceipt, promote } from "../../../operations/changes/edit.ts";
import { MOVES } from "../../../task/state.ts";
import { settingsWithQueue, taskFlags } from "../../arguments/filters.ts";
import { type Options, withBrokerFlags } from "../../arguments/flags.ts";
import { recordChange, recordOf } from "../../changes/record-change.ts";
import { counted, matching, wouldChange } from "../../output/counted.ts";
import { howMany } from "../../output/how-many.ts";
import { sayIfLost } from "../../output/outlets.ts";
import { printJson, printLine, printTable } from "../../output/print.ts";
import { EXIT_FAILED, usageError } from "../../process/exit.ts";
import { withBroker } from "../../process/with-broker.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("run now: queue scheduled and retrying tasks at once")
    .argument("[id...]", "ids of tasks")
    .option("--type <type>", "all of this type, in the configured queues")
    .option("--queue <name>", "all in this queue")
    .option("--all", "all there are in the configured queues")
    .option("--dry-run", "only count those that match")
    .option("--json", "print JSON")
    .action(async (ids: string[], options: Options) => exit(await run(ids, options)));
}

/** Runs the command. Returns the exit code: 1 when an id was named whose task is not queued by it. */
async function run(ids: readonly string[], options: Options): Promise<number> {
  const filter = taskFlags(options, "promote");
  const byFilter = Object.keys(filter).length > 0 || options.all === true;
  if (byFilter === ids.length > 0) throw usageError("promote takes IDs, or --type, --queue or --all", "promote");
  if (!byFilter && options.dryRun) throw usageError("--dry-run goes with --type, --queue or --all", "promote");
  return withBroker(settingsWithQueue(options), async (broker, scope) => {
    if (options.dryRun) return wouldChange(broker, filter, MOVES.promote.from, options, scope);
    if (byFilter) {
      const total = await matching(broker, filter, ["scheduled"]);
      const told = {
        doing: "queueing",
        done: "queued",
        what: "task",
        total,
        record: recordOf(broker, "promoteTasks", filter),
      };
      const promoted = await counted(told, promoteMatching(broker, filter), scope);
      sayIfLost(`${promoted} tasks are queued`);
      if (options.json) printJson({ promoted });
      else printLine(`${howMany(promoted, "task")} queued`);
      return 0;
    }
    const receipts = await inBatches(ids, (batch) => promote(broker, batch), scope.signal);
    const count = receipts.filter(({ promoted }) => promoted).length;
    await recordChange(broker, { what: "promoteTasks", of: { ids }, count });
    sayIfLost("the tasks are queued");
    if (options.json) printJson(receipts);
    else
      printTable(
        ["id", "was", "now"],
        receipts.map((receipt) => [receipt.id, receipt.state ?? "unknown", nowOf(receipt)]),
      );
    return receipts.every(({ promoted }) => promoted) ? 0 : EXIT_FAILED;
  });
}

function nowOf({ state, promoted }: PromoteReceipt): string {
  return promoted ? "queued" : (state ?? "no record of it is kept");
}
