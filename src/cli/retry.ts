/** `taskexe retry`: queues dead and cancelled tasks again: by id, telling how each was found, or all that match. */

import { type RetryReceipt, viewOfRetry } from "../broker/administration.ts";
import { inBatches } from "../client/batches.ts";
import { checkpoint } from "../concurrency/index.ts";
import { retryMatching } from "../operations/bulk.ts";
import { withBroker } from "./client.ts";
import { EXIT_FAILED, usageError } from "./exit.ts";
import { choice, counted, settingsWithQueue, taskFlags } from "./filters.ts";
import type { Options } from "./flags.ts";
import { howMany } from "./how-many.ts";
import { sayIfLost } from "./outlets.ts";
import { printJson, printLine, printTable } from "./output.ts";

/** Runs the command. Returns the exit code: 1 when an id was named whose task is not queued again. */
export async function retry(ids: readonly string[], options: Options): Promise<number> {
  const filter = taskFlags(options, "retry");
  const state = choice(options, "state", ["dead", "cancelled"], "retry");
  const byFilter = Object.keys(filter).length > 0 || options.all === true;
  if (byFilter === ids.length > 0) throw usageError("retry takes IDs, or --type, --queue or --all", "retry");
  if (!byFilter && state !== undefined) throw usageError("--state goes with --type, --queue or --all", "retry");
  return withBroker(settingsWithQueue(options), async (broker, scope) => {
    if (byFilter) {
      const retried = await counted("retrying", retryMatching(broker, { ...filter, state: state ?? "dead" }), scope);
      sayIfLost(`${retried} tasks are queued again`);
      if (options.json) printJson({ retried });
      else printLine(`${howMany(retried, "task")} queued again`);
      return 0;
    }
    const receipts = await inBatches(ids, async (batch) => {
      await checkpoint(scope.signal);
      return broker.retry(batch);
    });
    sayIfLost("the retries are carried out");
    if (options.json) printJson(receipts.map(viewOfRetry));
    else
      printTable(
        ["id", "was", "now"],
        receipts.map((receipt) => [receipt.id, receipt.state ?? "unknown", nowOf(receipt)]),
      );
    return receipts.every(({ retried }) => retried) ? 0 : EXIT_FAILED;
  });
}

function nowOf({ state, retried, heldBy }: RetryReceipt): string {
  if (retried) return "queued";
  if (heldBy !== undefined) return `${state}: its unique key is held by ${heldBy}`;
  return state ?? "no record of it is kept";
}
