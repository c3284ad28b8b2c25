/** From how an attempt ended to the outcome that the broker records: done, retry, dead or cancelled. */
import type { Outcome } from "../../broker/broker.ts";
import { findError } from "../../concurrency/index.ts";
import { isInstance } from "../../concurrency/unknown-values.ts";
import type { TaskDefinition } from "../../handlers/define-task.ts";
import { messagesOf, toErrorRecord } from "../../handlers/error-record.ts";
import { withOptions } from "../../task/message.ts";
import type { TaskMessage, TaskOptions } from "../../task/message-schema.ts";
import type { ErrorRecord } from "../../task/record.ts";
import { backoffDelay, DoNotRetryError, isDelay } from "../../task/retry.ts";
import { DEFAULT_BACKOFF } from "../options.ts";
import type { AttemptPolicy, BrokerClock } from "./policy.ts";
import { askedLater, type Later } from "./retry-later.ts";
import type { RunningTask } from "./running.ts";
import { UnknownTypeError, unknownTypeDelay } from "./unknown-type.ts";

/** How an attempt ended, before anybody thinks of retries and records. */
export type Ending =
  /** `omitted`: why there is no result although the handler gave one. */
  | { readonly kind: "done"; readonly result: string | null; readonly omitted: string | null }
  | { readonly kind: "failed"; readonly error: unknown; readonly retry: boolean }
  | { readonly kind: "dead"; readonly reason: string; readonly error: ErrorRecord | null; readonly id?: string | null }
  | { readonly kind: "cancelled"; readonly reason: string }
  /** Its type is paused. */
  | { readonly kind: "parked" }
  /** Stopped from outside; the running task says why. */
  | { readonly kind: "stopped" };

type Concluded = Exclude<Ending, { kind: "stopped" }>;

export function conclude(running: RunningTask, ending: Concluded, policy: AttemptPolicy, clock: BrokerClock): Outcome {
  const { delivery, message, definition } = running;
  if (message === null || delivery.raw === null) return unreadable(running, ending, policy);
  const done = doneOf(running, message, ending, policy.retentionOf(message, definition));
  if (ending.kind === "done") return done;
  const { result: _result, resultOmitted: _omitted, ...rest } = done;
  const base = { ...rest, failure: { attempt: running.attempt, before: message.options.failures ?? 0 } };
  switch (ending.kind) {
    case "parked":
      // Where no enqueue wrote a record, that which says that it is parked goes when it waits in its stream again.
      return { ...base, kind: "parked", retentionMs: message.foreign ? 0 : base.retentionMs };
    case "cancelled":
      return { ...base, kind: "cancelled", reason: ending.reason };
    case "dead":
      return { ...base, kind: "dead", reason: ending.reason, error: ending.error, retentionMs: policy.deadRetentionMs };
    case "failed": {
      // What a child of the handler's nursery throws arrives in a group.
      const error = toErrorRecord(ending.error);
      if (isInstance(ending.error, UnknownTypeError)) return unknownType(base, ending.error, running, message, policy);
      const mayRetry = ending.retry && findError(ending.error, DoNotRetryError) === undefined;
      const later = mayRetry ? askedLater(ending.error, message.type) : null;
      if (later?.only) return retryLater(base, later, error, running, message, policy, clock);
      const delayMs = mayRetry ? nextDelay(ending.error, later, message, definition, policy, clock) : null;
      if (delayMs === null) {
        return { ...base, kind: "dead", reason: reasonOf(error), error, retentionMs: policy.deadRetentionMs };
      }
      const { unknown_type: _type, retry_later: _later, ...options } = optionsAfter(running, message);
      const next = withOptions(delivery.raw, { ...options, attempt: running.attempt + 1 });
      return { ...base, kind: "retry", error, delayMs, message: next };
    }
  }
}

/** The commonest outcome. What it says of the task and its attempt holds for the others, too. */
function doneOf(
  running: RunningTask,
  message: TaskMessage,
  ending: Concluded,
  retentionMs: number,
): Extract<Outcome, { kind: "done" }> {
  const recorded = mayHaveRecord(running, message);
  const result = ending.kind === "done" ? ending.result : null;
  const resultOmitted = ending.kind === "done" ? ending.omitted : null;
  const hasNone = ending.kind === "done" && result === null && resultOmitted === null;
  // A foreign task with nothing to tell leaves nothing behind; what a delivery that died had told goes, too.
  const hasTold = running.log !== null || running.hasLogged || wasTriedBefore(running, message);
  const isQuiet = message.foreign && hasNone && !hasTold;
  return {
    kind: "done",
    delivery: running.delivery,
    id: message.id,
    type: message.type,
    attempt: running.attempt,
    crashes: running.crashes,
    startedAt: running.startedAt,
    retentionMs: isQuiet ? 0 : retentionMs,
    recorded,
    uniqueKey: keyToFree(message.options, ending),
    told: running.log === null ? null : { progress: running.progress, log: running.log },
    result,
    resultOmitted,
  };
}

/** Nothing of the task has run: its attempts stay as they are, and its patience is counted by itself. */
function unknownType(
  base: Omit<Extract<Outcome, { kind: "retry" }>, "kind" | "error" | "delayMs" | "message">,
  unknown: UnknownTypeError,
  running: RunningTask,
  message: TaskMessage,
  policy: AttemptPolicy,
): Outcome {
  const met = (message.options.unknown_type ?? 0) + 1;
  const delayMs = unknownTypeDelay(met);
  const error = toErrorRecord(unknown);
  const outcome = { ...base, attempt: base.attempt - 1, error };
  if (delayMs === null) {
    return { ...outcome, kind: "dead", reason: reasonOf(error), retentionMs: policy.deadRetentionMs };
  }
  const next = withOptions(base.delivery.raw ?? "", { ...optionsAfter(running, message), unknown_type: met });
  return { ...outcome, kind: "retry", delayMs, message: next };
}

/**
 * The handler asked for it, and nothing else went wrong: no attempt is spent, so that the next one has the same number,
 * and how often that may come in a row has a bound of its own.
 */
function retryLater(
  base: Omit<Extract<Outcome, { kind: "retry" }>, "kind" | "error" | "delayMs" | "message">,
  { delayMs }: Later,
  error: ErrorRecord,
  running: RunningTask,
  message: TaskMessage,
  policy: AttemptPolicy,
  clock: BrokerClock,
): Outcome {
  const { retry_later: before = 0, deadline_at: deadline } = message.options;
  const limit = policy.retryLaterLimit;
  const dead = { ...base, kind: "dead", error, retentionMs: policy.deadRetentionMs } as const;
  if (before >= limit) {
    return {
      ...dead,
      reason: `asked ${limit} times in a row to be tried later (retry_later_limit): ${reasonOf(error)}`,
    };
  }
  if (isTooLate(deadline, delayMs, clock)) return { ...dead, reason: reasonOf(error) };
  const { unknown_type: _, ...options } = optionsAfter(running, message);
  const next = withOptions(base.delivery.raw ?? "", { ...options, retry_later: before + 1 });
  return { ...base, attempt: base.attempt - 1, kind: "retry", error, delayMs, message: next };
}

/** A key that is held for a time ends by itself; only a cancel frees it before that. */
function keyToFree({ unique_key: key, unique_for_ms: ttlMs }: TaskOptions, ending: Concluded): string | null {
  return key === undefined || (ttlMs !== undefined && ending.kind !== "cancelled") ? null : key;
}

/** The task's options for its next attempt: its crashes go with it, and how many errors it has had. */
function optionsAfter({ crashes }: RunningTask, { options }: TaskMessage): TaskOptions {
  const failures = (options.failures ?? 0) + 1;
  return crashes === 0 ? { ...options, failures } : { ...options, crashes, failures };
}

/**
 * Whether the enqueue, an earlier attempt, an earlier delivery that nobody ended or progress may have written a record.
 */
function mayHaveRecord(running: RunningTask, message: TaskMessage): boolean {
  const { deliveries, mayBeHeld } = running.delivery;
  if (deliveries > 1 || mayBeHeld === true) return true;
  const atEnqueue = !message.foreign && message.options.retention_ms !== 0;
  const { unique_key: key, unique_for_ms: ttlMs } = message.options;
  return (
    atEnqueue || wasTriedBefore(running, message) || running.log !== null || (key !== undefined && ttlMs === undefined)
  );
}

function wasTriedBefore(running: RunningTask, message: TaskMessage): boolean {
  return running.attempt > 1 || message.options.failures !== undefined;
}

/** In how many ms the next attempt is due; null: there is none. */
function nextDelay(
  error: unknown,
  later: Later | null,
  message: TaskMessage,
  definition: TaskDefinition | undefined,
  policy: AttemptPolicy,
  clock: BrokerClock,
): number | null {
  const attempt = message.options.attempt ?? 1;
  if (attempt >= policy.attemptsOf(message, definition)) return null;
  const delayMs = later?.delayMs ?? policy.delayAfter(attempt, error, message, definition);
  // A setting, too, may be an object that somebody has changed since it was checked.
  const delay = isDelay(delayMs) ? delayMs : backoffDelay(DEFAULT_BACKOFF, attempt);
  return isTooLate(message.options.deadline_at, delay, clock) ? null : delay;
}

/** Whether the next attempt could only begin behind the deadline. */
function isTooLate(deadline: number | undefined, delayMs: number, clock: BrokerClock): boolean {
  return deadline !== undefined && clock.now() + delayMs >= deadline;
}

function reasonOf(error: ErrorRecord): string {
  // Many a group says nothing but what is in it.
  const message = error.message || messagesOf(error);
  return error.name === "Error" ? message : `${error.name}: ${message}`;
}

/** An entry that is no task: dead under its own id, or under one made of where it stood. */
function unreadable(running: RunningTask, ending: Concluded, policy: AttemptPolicy): Outcome {
  const { delivery } = running;
  const dead = ending.kind === "dead" ? ending : { reason: "the message cannot be read", error: null, id: null };
  return {
    kind: "dead",
    delivery,
    id: dead.id ?? `unreadable-${delivery.handle.replace("|", "-")}`,
    type: "unreadable",
    attempt: 1,
    crashes: running.crashes,
    startedAt: null,
    retentionMs: policy.deadRetentionMs,
    recorded: false,
    uniqueKey: null,
    told: null,
    reason: dead.reason,
    error: dead.error,
  };
}
