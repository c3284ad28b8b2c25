/** The JSON forms of what enqueues, cancels and retries answer. */
import * as v from "valibot";
import type { RetryReceipt } from "../../broker/contract/admin.ts";
import { TASK_STATES } from "../../task/state.ts";

export const ReceiptView = v.object({ id: v.string(), created: v.boolean(), state: v.picklist(TASK_STATES) });

export const CancelView = v.object({ id: v.string(), state: v.nullable(v.picklist(TASK_STATES)) });

export const RetryView = v.object({
  ...CancelView.entries,
  retried: v.boolean(),
  held_by: v.optional(v.string()),
  /** Why it cannot have the payload that it was to be retried with. */
  refused: v.optional(v.string()),
});

export const PromoteView = v.object({ ...CancelView.entries, promoted: v.boolean() });

export const EditView = v.object({ ...CancelView.entries, edited: v.boolean(), refused: v.optional(v.string()) });

export function retryView({ heldBy, ...receipt }: RetryReceipt): v.InferOutput<typeof RetryView> {
  return heldBy === undefined ? receipt : { ...receipt, held_by: heldBy };
}
