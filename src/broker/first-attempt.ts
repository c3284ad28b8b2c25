/** A task's message as a retry by hand queues it: from its first attempt, and without the unique key that it has lost. */
import { parseMessage, withOptions } from "../task/message.ts";

/** The message with its attempts counted from the first again; what cannot be read goes back as it is. */
export function firstAttempt(message: string): string {
  const parsed = parseMessage(message);
  if (!parsed.ok) return message;
  const { attempt, unique_key: key, ...options } = parsed.message.options;
  return attempt === undefined && key === undefined ? message : withOptions(message, options);
}
