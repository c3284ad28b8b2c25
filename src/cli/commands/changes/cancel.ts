/** `taskexe cancel`: cancels tasks wherever they are: by id, telling how each was found, or all that match. */
import type { Command } from "commander";
import type { CancelReceipt } from "../../../broker/broker.ts";
import { cancelMatching, inBatches, LIVING } from "../../../operations/changes/bulk.ts";
import { hasEnded } from "../../../task/state.ts";
import { settingsWithQueue, type TaskFlags, taskFlags } from "../../arguments/filters.ts";
import { type Options, withBrokerFlags } from "../../arguments/flags.ts";
import { recordChange, recordOf } from "../../changes/record-change.ts";
import { counted, matching, wouldChange } from "../../output/counted.ts";
import { howMany } from "../../output/how-many.ts";
import { sayIfLost } from "../../output/outlets.ts";
import { printJson, printLine, printTable } from "../../output/print.ts";
import { usageError } from "../../process/exit.ts";
import { withBroker } from "../../process/with-broker.ts";

/** How it is called. */
export function define(command: Command, exit: (code: number) => void): void {
  withBrokerFlags(command)
    .description("cancel tasks: waiting ones at once, running ones within a second")
    .argument("[id...]", "ids of tasks")
    .option("--type <type>", "all of this type, in the configured queues")
    .option("--queue <name>", "all in this queue")
    .option("--dry-run", "only count those that match")
    .option("--json", "print JSON")
    .action(async (ids: string[], options: Options) => exit(await cancel(ids, options)));
}

/** Runs the command. Returns the exit code: 0, also for tasks that had ended, since none of them runs any more. */
async function cancel(ids: readonly string[], options: Options): Promise<number> {
  const filter = taskFlags(options, "cancel");
  const byFilter = Object.keys(filter).length > 0;
  if (byFilter && ids.length > 0) throw usageError("cancel takes IDs, or --type and --queue, not both", "cancel");
  if (byFilter) return cancelAll(filter, options);
  if (options.dryRun) throw usageError("--dry-run goes with --type and --queue", "cancel");
  if (ids.length === 0) throw usageError("missing required argument: the IDs of tasks, or --type or --queue", "cancel");
  return withBroker(settingsWithQueue(options), async (broker, scope) => {
    const receipts = await inBatches(ids, (batch) => broker.cancel(batch), scope.signal);
    const changed = receipts.filter(({ state }) => state !== null && !hasEnded(state)).length;
    await recordChange(broker, { what: "cancelTasks", of: { ids }, count: changed });
    sayIfLost("the cancels are carried out");
    if (options.json) printJson(receipts);
    else
      printTable(
        ["id", "was", "now"],
        receipts.map((receipt) => [receipt.id, receipt.state ?? "unknown", now(receipt)]),
      );
    return 0;
  });
}

async function cancelAll(filter: TaskFlags, options: Options): Promise<number> {
  return withBroker(settingsWithQueue(options), async (broker, scope) => {
    if (options.dryRun) return wouldChange(broker, filter, LIVING, options, scope);
    const total = await matching(broker, filter, ["queued", "running", "scheduled"]);
    const told = {
      doing: "cancelling",
      done: "cancelled",
      what: "task",
      total,
      record: recordOf(broker, "cancelTasks", filter),
    };
    const cancelled = await counted(told, cancelMatching(broker, filter), scope);
    sayIfLost(`${cancelled} tasks are cancelled`);
    if (options.json) printJson({ cancelled });
    else printLine(`${howMany(cancelled, "task")} cancelled`);
    return 0;
  });
}

function now({ state }: CancelReceipt): string {
  if (state === null) return "will be cancelled if it comes";
  if (hasEnded(state)) return `${state} already`;
  return state === "running" ? "being cancelled" : "cancelled";
}
