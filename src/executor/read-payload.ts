/** Checks a payload against its handler's schema. A payload that is refused is a failure with every path and reason. */
import * as v from "valibot";
import type { PayloadSchema } from "../handlers/define-task.ts";
import type { TaskMessage } from "../task/message-schema.ts";

export type PayloadReading =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: Error };

const MOST_ISSUES = 10;

/** The payload was refused by its handler's schema: trying again cannot help. */
export class PayloadError extends Error {
  override readonly name = "PayloadError";
}

/**
 * Checks the payload of a task, or of one that is to be enqueued.
 *
 * @throws (rejects) what a check of the schema throws.
 */
export async function readPayload(
  schema: PayloadSchema,
  message: Pick<TaskMessage, "type" | "payload">,
): Promise<PayloadReading> {
  const checked = await v.safeParseAsync(schema, message.payload);
  if (checked.success) return { ok: true, value: checked.output };
  const reasons = checked.issues.slice(0, MOST_ISSUES).map((issue) => {
    const path = v.getDotPath(issue);
    return path === null ? issue.message : `${path}: ${issue.message}`;
  });
  const error = new PayloadError(`the payload was refused by the schema of "${message.type}": ${reasons.join("; ")}`);
  delete error.stack;
  return { ok: false, error };
}
