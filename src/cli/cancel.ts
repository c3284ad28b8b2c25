/** `taskexe cancel ID...`: cancels tasks wherever they are and tells in which state each was found. */
import type { CancelReceipt } from "../broker/broker.ts";
import { hasEnded } from "../task/state.ts";
import { withBroker } from "./client.ts";
import { type Options, settingsOf } from "./flags.ts";
import { printJson, printTable } from "./output.ts";

/** Runs the command. Returns the exit code: 0, also for tasks that had ended, since none of them runs any more. */
export async function cancel(ids: readonly string[], options: Options): Promise<number> {
  return withBroker(settingsOf(options), async (broker) => {
    const receipts = await broker.cancel([...new Set(ids)]);
    if (options.json) printJson(receipts);
    else
      printTable(
        ["id", "was", "now"],
        receipts.map((receipt) => [receipt.id, receipt.state ?? "unknown", now(receipt)]),
      );
    return 0;
  });
}

function now({ state }: CancelReceipt): string {
  if (state === null) return "will be cancelled if it comes";
  if (hasEnded(state)) return `${state} already`;
  return state === "running" ? "being cancelled" : "cancelled";
}
