/**
 * A task's message as a retry by hand queues it: from its first attempt, without the unique key that it has lost, and
 * without the deadline, which whoever retries it has seen pass or may let pass.
 */
import { parseMessage, withOptions } from "../task/message.ts";

/** The message with its attempts counted from the first again; what cannot be read goes back as it is. */
export function firstAttempt(message: string): string {
  const parsed = parseMessage(message);
  if (!parsed.ok) return message;
  const {
    attempt,
    crashes,
    unknown_type: unknown,
    unique_key: key,
    deadline_at: deadline,
    ...options
  } = parsed.message.options;
  const asNew = [attempt, crashes, unknown, key, deadline].every((each) => each === undefined);
  return asNew ? message : withOptions(message, options);
}
