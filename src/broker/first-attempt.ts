/**
 * A task's message as a retry by hand queues it: from its first attempt, without the unique key that it has lost, and
 * without the deadline, which whoever retries it has seen pass or may let pass.
 */
import { parseMessage, withOptions } from "../task/message.ts";

/**
 * The message with its attempts counted from the first again; what cannot be read goes back as it is.
 *
 * @param errors - how many errors its record has been given; undefined: what the message says of that stays.
 */
export function firstAttempt(message: string, errors?: number): string {
  const parsed = parseMessage(message);
  if (!parsed.ok) return message;
  const {
    attempt,
    crashes,
    unknown_type: unknown,
    unique_key: key,
    deadline_at: deadline,
    failures: before,
    ...options
  } = parsed.message.options;
  const failures = (errors ?? before ?? 0) || undefined;
  const asNew = [attempt, crashes, unknown, key, deadline].every((each) => each === undefined) && failures === before;
  return asNew ? message : withOptions(message, failures === undefined ? options : { ...options, failures });
}
