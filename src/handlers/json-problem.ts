/** What stands in the way of a text that another program calls JSON. */
import { isTooDeep } from "../task/message/message.ts";
import { MAX_MESSAGE_DEPTH } from "../task/message/message-schema.ts";
import { endlessNumber } from "../task/text/json-text.ts";

/** Null: it is JSON that anybody can read back. */
export function problemOfJson(text: string): string | null {
  // A parser may itself fall over the depth.
  if (isTooDeep(text)) return `it is nested deeper than ${MAX_MESSAGE_DEPTH} levels`;
  try {
    JSON.parse(text);
  } catch {
    return "it is not JSON";
  }
  const endless = endlessNumber(text);
  return endless === null ? null : "it has a number that is larger than any that can be read back";
}
