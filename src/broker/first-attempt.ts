/**
 * A task as a retry by hand queues it: from its first attempt, with the unique key that it had, which it takes again,
 * and without the deadline, which whoever retries it has seen pass or may let pass.
 */
import { parseMessage, withOptions } from "../task/message/message.ts";
import type { EnqueueRequest } from "./broker.ts";

export interface FirstAttempt {
  /** With its attempts counted from the first again; what cannot be read goes back as it is. */
  readonly message: string;
  /** The key that it holds while it lives, or for a time; undefined: none. */
  readonly unique: EnqueueRequest["unique"];
}

/** @param errors - how many errors its record has been given; undefined: what the message says of that stays. */
export function firstAttempt(message: string, errors?: number): FirstAttempt {
  const parsed = parseMessage(message);
  if (!parsed.ok) return { message, unique: undefined };
  const {
    attempt,
    crashes,
    crash_reasons: reasons,
    deaths,
    company,
    unknown_type: unknown,
    retry_later: later,
    deadline_at: deadline,
    failures: before,
    ...options
  } = parsed.message.options;
  const { unique_key: key, unique_for_ms: ttlMs = null } = options;
  const failures = (errors ?? before ?? 0) || undefined;
  const said = [attempt, crashes, reasons, deaths, company, unknown, later, deadline].some(
    (each) => each !== undefined,
  );
  const isAsNew = !said && failures === before;
  return {
    message: isAsNew ? message : withOptions(message, failures === undefined ? options : { ...options, failures }),
    unique: key === undefined ? undefined : { key, ttlMs },
  };
}
