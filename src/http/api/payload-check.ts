/**
 * Payloads that this executor's handler would refuse are refused where they come in: who sends them learns it at once,
 * and no task is made that could only end as dead. Of types that are not loaded here nothing is known.
 */
import { getLogger } from "@logtape/logtape";
import * as v from "valibot";
import type { PayloadReading } from "../../handlers/read-payload.ts";
import { JsonText } from "../../task/json-text.ts";
import { ApiError } from "./api-error.ts";
import type { ApiParts } from "./parts.ts";
import type { Answer } from "./route.ts";

const logger = getLogger(["taskexe", "http"]);

const CODE = "payload_refused";

/** The answer, as it is described. */
export const PAYLOAD_REFUSED: Answer = {
  description: "the schema of the type refuses the payload; the message has each path. Nothing is enqueued or stored",
  schema: v.object({ error: v.object({ code: v.literal(CODE), message: v.string() }) }),
};

/**
 * Checks a payload against the schema of its type.
 *
 * @param where - what stands before the message, where it is one of many.
 * @throws (rejects) ApiError 422 with each path that the schema refuses.
 */
export async function refuseWrongPayload(
  handlerOf: ApiParts["handlerOf"],
  { type, payload = null }: { readonly type: string; readonly payload?: unknown },
  where = "",
): Promise<void> {
  const check = handlerOf?.(type)?.checkPayload ?? null;
  if (check === null) return;
  let read: PayloadReading;
  try {
    read = await check(payload instanceof JsonText ? payload.value() : payload);
  } catch (error) {
    // A check that fails has refused nothing: the attempt makes it again, and is tried again where it fails.
    logger.warn("The schema of {type} threw while a payload was checked: {error}", { type, error });
    return;
  }
  if (!read.ok) throw new ApiError(422, CODE, `${where}${read.error.message}`);
}
