/** From how an attempt ended to the outcome that the broker records: done, retry, dead or cancelled. */
import type { Outcome } from "../../broker/broker.ts";
import { messagesOf } from "../../handlers/error-record.ts";
import type { HandlerEnding } from "../../handlers/handler.ts";
import { PayloadError } from "../../handlers/read-payload.ts";
import { withOptions } from "../../task/message/message.ts";
import type { TaskMessage, TaskOptions } from "../../task/message/message-schema.ts";
import { backoffDelay, isDelay } from "../../task/options/retry.ts";
import type { FailureReason } from "../../task/record/failure-reason.ts";
import type { ErrorRecord } from "../../task/record/record.ts";
import { DEFAULT_BACKOFF } from "../options.ts";
import type { Attempt } from "./attempt.ts";
import {
  type Charges,
  chargesAfter,
  chargesIn,
  conviction,
  type Death,
  errorOf,
  type Orphaned,
  optionsOf,
  withoutCharges,
} from "./charges.ts";
import type { AttemptPolicy, BrokerClock } from "./policy.ts";
import { unknownTypeDelay } from "./unknown-type.ts";

/** How an attempt ended, before anybody thinks of retries and records. */
export type Ending =
  | HandlerEnding
  /** No handler of its type is here. */
  | { readonly kind: "unknown-type"; readonly error: ErrorRecord }
  | {
      readonly kind: "dead";
      readonly reason: string;
      readonly error: ErrorRecord | null;
      readonly failedBy: FailureReason;
      readonly id?: string | null;
    }
  | { readonly kind: "cancelled"; readonly reason: string }
  /** Executors died over it, which has made it a suspect, or more of one: it begins anew with what is known now. */
  | Orphaned
  /** Its type is paused. */
  | { readonly kind: "parked" }
  /** A suspect runs here, beside which it may not: others take it. */
  | { readonly kind: "turned-away" }
  /** A foreign message of a type that nobody of ours has: an executor of another program may run it. */
  | { readonly kind: "left" }
  /** Stopped from outside; the running task says why. */
  | { readonly kind: "stopped" };

export type Concluded = Exclude<Ending, { kind: "stopped" | "turned-away" | "left" }>;

type Failed = Extract<Ending, { kind: "failed" }>;

/** What every outcome but `done` says of the task and its attempt. */
type Base = Omit<Extract<Outcome, { kind: "retry" }>, "kind" | "error" | "delayMs" | "message">;

export function conclude(running: Attempt, ending: Concluded, policy: AttemptPolicy, clock: BrokerClock): Outcome {
  const outcome = outcomeOf(running, ending, policy, clock);
  if (outcome.kind === "retry" || outcome.kind === "parked") return outcome;
  const followUp = policy.followUp(outcome.kind, running.message, running.options, outcome);
  return followUp === undefined ? outcome : { ...outcome, followUp };
}

function outcomeOf(running: Attempt, ending: Concluded, policy: AttemptPolicy, clock: BrokerClock): Outcome {
  const { delivery, message } = running;
  if (message === null || delivery.raw === null) return unreadable(running, ending, policy);
  const done = doneOf(running, message, ending, policy.retentionOf(message, running.options));
  if (ending.kind === "done") return done;
  const { result: _result, resultOmitted: _omitted, ...rest } = done;
  const failure = { attempt: running.attempt, before: message.options.failures ?? 0 };
  const base = { ...rest, failure, failedBy: failedBy(running, ending) };
  switch (ending.kind) {
    case "parked":
      // Where no enqueue wrote a record, that which says that it is parked goes when it waits in its stream again.
      return { ...base, kind: "parked", retentionMs: message.foreign ? 0 : base.retentionMs };
    case "cancelled":
      return { ...base, kind: "cancelled", reason: ending.reason };
    case "dead":
      return { ...base, kind: "dead", reason: ending.reason, error: ending.error, retentionMs: policy.deadRetentionMs };
    case "unknown-type":
      return unknownType(base, ending.error, message, policy);
    case "failed":
      if (ending.later && ending.retryInMs !== null) {
        return retryLater(base, { ...ending, retryInMs: ending.retryInMs }, message, policy, clock);
      }
      return failed(base, ending, running, message, policy, clock);
    case "crashed":
    case "suspected":
    case "orphaned":
      return afterDeath(base, ending, running, message, policy);
  }
}

/** Of those that did not fail it says nothing that counts. */
function failedBy({ limit }: Attempt, ending: Concluded): FailureReason {
  switch (ending.kind) {
    case "dead":
      return ending.failedBy;
    case "unknown-type":
      return "unknown_type";
    case "crashed":
    case "suspected":
    case "orphaned":
      return "crash";
    default:
      break;
  }
  if (limit?.hasStopped) return "timeout";
  return ending.kind === "failed" && ending.error.name === PayloadError.name ? "payload" : "error";
}

/** A process died over it: that costs no attempt, and it runs again at once, unless it is convicted by now. */
function afterDeath(base: Base, death: Death, running: Attempt, message: TaskMessage, policy: AttemptPolicy): Outcome {
  const charges = chargesAfter(death, chargesIn(message.options));
  const convicted = conviction(charges, policy.crashBudgetOf(message, running.options));
  const outcome = { ...base, crashes: charges.crashes, error: errorOf(death) };
  if (convicted !== null) {
    return { ...outcome, kind: "dead", reason: convicted, retentionMs: policy.deadRetentionMs };
  }
  const { unknown_type: _, ...options } = message.options;
  const next = withOptions(base.delivery.raw ?? "", nextOptions(options, charges));
  return { ...outcome, attempt: base.attempt - 1, kind: "retry", delayMs: 0, message: next };
}

/** Another attempt, or none any more. */
function failed(
  base: Base,
  ending: Failed,
  running: Attempt,
  message: TaskMessage,
  policy: AttemptPolicy,
  clock: BrokerClock,
): Outcome {
  const { error } = ending;
  const delayMs = nextDelay(ending, running, message, policy, clock);
  if (delayMs === null) {
    return { ...base, kind: "dead", reason: reasonOf(error), error, retentionMs: policy.deadRetentionMs };
  }
  const { unknown_type: _type, retry_later: _later, ...options } = optionsAfter(message);
  const next = withOptions(running.delivery.raw ?? "", { ...options, attempt: running.attempt + 1 });
  return { ...base, kind: "retry", error, delayMs, message: next };
}

/** The commonest outcome. What it says of the task and its attempt holds for the others, too. */
function doneOf(
  running: Attempt,
  message: TaskMessage,
  ending: Concluded,
  retentionMs: number,
): Extract<Outcome, { kind: "done" }> {
  const result = ending.kind === "done" ? ending.result : null;
  const resultOmitted = ending.kind === "done" ? ending.omitted : null;
  const recorded = mayHaveRecord(running, message);
  return {
    kind: "done",
    delivery: running.delivery,
    id: message.id,
    type: message.type,
    attempt: running.attempt,
    crashes: running.crashes,
    startedAt: running.startedAt,
    // The common end of a task that keeps no record costs nothing for it.
    spent: ending.kind === "done" && retentionMs === 0 ? undefined : running.spent,
    retentionMs,
    recorded,
    uniqueKey: keyToFree(message.options, ending),
    told: running.log === null ? null : { progress: running.progress, log: running.log },
    result,
    resultOmitted,
  };
}

/** Nothing of the task has run: its attempts stay as they are, and how often it was met so is counted by itself. */
function unknownType(base: Base, error: ErrorRecord, message: TaskMessage, policy: AttemptPolicy): Outcome {
  const met = (message.options.unknown_type ?? 0) + 1;
  const delayMs = unknownTypeDelay(met);
  const outcome = { ...base, attempt: base.attempt - 1, error };
  if (delayMs === null) {
    return { ...outcome, kind: "dead", reason: reasonOf(error), retentionMs: policy.deadRetentionMs };
  }
  const next = withOptions(base.delivery.raw ?? "", { ...optionsAfter(message), unknown_type: met });
  return { ...outcome, kind: "retry", delayMs, message: next };
}

/**
 * The handler asked for it, and nothing else went wrong: no attempt is spent, so that the next one has the same number,
 * and how often that may come in a row has a bound of its own.
 */
function retryLater(
  base: Base,
  { retryInMs: delayMs, error, isUnrun = false }: Failed & { readonly retryInMs: number },
  message: TaskMessage,
  policy: AttemptPolicy,
  clock: BrokerClock,
): Outcome {
  const { retry_later: before = 0, deadline_at: deadline } = message.options;
  const limit = policy.retryLaterLimit;
  const dead = { ...base, kind: "dead", error, retentionMs: policy.deadRetentionMs } as const;
  if (before >= limit && !isUnrun) {
    return {
      ...dead,
      reason: `asked ${limit} times in a row to be tried later (retry_later_limit): ${reasonOf(error)}`,
    };
  }
  if (isTooLate(deadline, delayMs, clock)) return { ...dead, reason: reasonOf(error) };
  const after = isUnrun ? nextOptions(message.options, chargesIn(message.options)) : optionsAfter(message);
  const { unknown_type: _, ...options } = after;
  const asked = isUnrun ? {} : { retry_later: before + 1 };
  const next = withOptions(base.delivery.raw ?? "", { ...options, ...asked });
  return { ...base, attempt: base.attempt - 1, kind: "retry", error, delayMs, message: next };
}

/** A key that is held for a time ends by itself; only a cancel frees it before that. */
function keyToFree({ unique_key: key, unique_for_ms: ttlMs }: TaskOptions, ending: Concluded): string | null {
  return key === undefined || (ttlMs !== undefined && ending.kind !== "cancelled") ? null : key;
}

/**
 * The task's options for its next attempt. An attempt that ended by itself clears it of suspicion; its crashes go with
 * it.
 */
function optionsAfter({ options }: TaskMessage): TaskOptions {
  return nextOptions(options, { ...chargesIn(options), deaths: 0, company: null });
}

/** @param charges - are told anew. How many errors the task has had goes with it, too. */
function nextOptions(options: TaskOptions, charges: Charges): TaskOptions {
  return { ...withoutCharges(options), ...optionsOf(charges), failures: (options.failures ?? 0) + 1 };
}

/**
 * Whether the enqueue, an earlier attempt, an earlier delivery that nobody ended or progress may have written a record.
 */
function mayHaveRecord(running: Attempt, message: TaskMessage): boolean {
  const { deliveries, mayBeHeld } = running.delivery;
  if (deliveries > 1 || mayBeHeld === true) return true;
  const atEnqueue = !message.foreign && message.options.retention_ms !== 0;
  const { unique_key: key, unique_for_ms: ttlMs } = message.options;
  return (
    atEnqueue ||
    wasTriedBefore(running, message) ||
    running.log !== null ||
    running.isWritten ||
    (key !== undefined && ttlMs === undefined)
  );
}

function wasTriedBefore(running: Attempt, message: TaskMessage): boolean {
  return running.attempt > 1 || message.options.failures !== undefined;
}

/** In how many ms the next attempt is due; null: there is none. */
function nextDelay(
  { retry, retryInMs }: Failed,
  { attempt, options }: Attempt,
  message: TaskMessage,
  policy: AttemptPolicy,
  clock: BrokerClock,
): number | null {
  if (!retry || attempt >= policy.attemptsOf(message, options)) return null;
  const delayMs = retryInMs ?? policy.delayAfter(attempt, message, options);
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
function unreadable(running: Attempt, ending: Concluded, policy: AttemptPolicy): Outcome {
  const { delivery } = running;
  const unread = { reason: "the message cannot be read", error: null, id: null, failedBy: "payload" } as const;
  const dead = ending.kind === "dead" ? ending : unread;
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
    failedBy: dead.failedBy,
  };
}
