/** `taskexe retry`: queues dead and cancelled tasks again: by id, telling how each was found, or all that match. */
import type { Command } from "commander";
import type { RetryReceipt } from "../../../broker/contract/admin.ts";
import { DEFAULT_RETRIED_STATE, inBatches, retryMatching } from "../../../operations/changes/bulk.ts";
import { retryWith } from "../../../operations/changes/edit.ts";
import { retryView } from "../../../operations/views/receipt-views.ts";
import { RETRIED_STATES } from "../../../task/state.ts";
import { choice, settingsWithQueue, taskFlags } from "../../arguments/filters.ts";
import { type Options, text, withBrokerFlags } from "../../arguments/flags.ts";
import { payloadOf } from "../../arguments/task-arguments.ts";
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
    .description("queue dead and cancelled tasks again, from their first attempt")
    .argument("[id...]", "ids of tasks")
    .option("--type <type>", "all of this type, in the configured queues")
    .option("--queue <name>", "all in this queue")
    .option("--all", "all there are in the configured queues")
    .option("--state <state>", "dead or cancelled; goes with --type, --queue and --all (default: dead)")
    .option(
      "--payload <json>",
      "with this payload: JSON, @FILE to read it from, or - for standard input; goes with IDs",
    )
    .option("--dry-run", "only count those that match; goes with --type, --queue and --all")
    .option("--json", "print JSON")
    .action(async (ids: string[], options: Options) => exit(await retry(ids, options)));
}

/** Runs the command. Returns the exit code: 1 when an id was named whose task is not queued again. */
async function retry(ids: readonly string[], options: Options): Promise<number> {
  const filter = taskFlags(options, "retry");
  const state = choice(options, "state", RETRIED_STATES, "retry");
  const byFilter = Object.keys(filter).length > 0 || options.all === true;
  if (byFilter === ids.length > 0) throw usageError("retry takes IDs, or --type, --queue or --all", "retry");
  if (!byFilter && state !== undefined) throw usageError("--state goes with --type, --queue or --all", "retry");
  if (!byFilter && options.dryRun) throw usageError("--dry-run goes with --type, --queue or --all", "retry");
  const given = text(options.payload);
  if (byFilter && given !== undefined) throw usageError("--payload goes with IDs", "retry");
  const payload = given === undefined ? null : await payloadOf(given);
  return withBroker(settingsWithQueue(options), async (broker, scope) => {
    if (byFilter) {
      const which = { ...filter, state: state ?? DEFAULT_RETRIED_STATE };
      if (options.dryRun) return wouldChange(broker, filter, [which.state], options, scope);
      const total = await matching(broker, filter, [which.state]);
      const told = {
        doing: "retrying",
        done: "queued again",
        what: "task",
        total,
        record: recordOf(broker, "retryTasks", which),
      };
      const retried = await counted(told, retryMatching(broker, which), scope);
      sayIfLost(`${retried} tasks are queued again`);
      if (options.json) printJson({ retried });
      else printLine(`${howMany(retried, "task")} queued again`);
      return 0;
    }
    const again = (batch: readonly string[]): Promise<RetryReceipt[]> =>
      payload === null ? broker.retry(batch) : retryWith(broker, () => undefined, batch, payload);
    const receipts = await inBatches(ids, again, scope.signal);
    const count = receipts.filter(({ retried }) => retried).length;
    await recordChange(broker, { what: "retryTasks", of: { ids }, count });
    sayIfLost("the retries are carried out");
    if (options.json) printJson(receipts.map(retryView));
    else
      printTable(
        ["id", "was", "now"],
        receipts.map((receipt) => [receipt.id, receipt.state ?? "unknown", nowOf(receipt)]),
      );
    return receipts.every(({ retried }) => retried) ? 0 : EXIT_FAILED;
  });
}

function nowOf({ state, retried, heldBy, refused }: RetryReceipt): string {
  if (retried) return "queued";
  if (refused !== undefined) return `${state}: ${refused}`;
  if (heldBy !== undefined) return `${state}: its unique key is held by ${heldBy}`;
  return state ?? "no record of it is kept";
}
