/** Checks a payload against its handler's schema. A payload that is refused is a failure with every path and reason. */
import type { TaskMessage } from "../task/message/message-schema.ts";
import { checkBySchema, type PayloadSchema, payloadRefusal } from "../task/message/payload-schema.ts";

export type PayloadReading =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: Error };

/** The payload was refused by its handler's schema: trying again cannot help. */
export class PayloadError extends Error {
  override readonly name = "PayloadError";
}

/**
 * Checks the payload of a task.
 *
 * @throws (rejects) what a check of the schema throws.
 */
export async function readPayload(
  schema: PayloadSchema,
  message: Pick<TaskMessage, "type" | "payload">,
): Promise<PayloadReading> {
  const checked = await checkBySchema(schema, message.payload);
  if (checked.ok) return checked;
  const error = new PayloadError(payloadRefusal(message.type, checked.issues));
  delete error.stack;
  return { ok: false, error };
}
