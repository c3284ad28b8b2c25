/**
 * What an outcome writes beside the acknowledgement, as the steps of end-script.ts.
 * A task with nothing to tell (done, no record) writes nothing at all.
 */
import { attemptError, droppedFor } from "../../task/attempt-errors.ts";
import type { Outcome } from "../broker.ts";
import type { RedisDelivery } from "./delivery.ts";
import {
  CANCELLED_KEY,
  cancelFlagKey,
  cancelledKey,
  deadKey,
  doneKey,
  ERROR_FIELD,
  logKey,
  PARKED_TYPES_KEY,
  parkedKey,
  parkedName,
  recordKey,
  scheduledKey,
  uniqueKey,
  waitingCancelledKey,
} from "./keys.ts";

/** One Redis command: its name, then its arguments. */
export type RedisCommand = readonly [name: string, ...args: (string | number)[]];

/**
 * How long the record of a cancelled task stays that keeps none, in ms: whoever waits for it must be able to read it.
 */
const CANCELLED_MS = 60_000;

const NOTHING: RedisCommand[] = [];

/** What the commands of one outcome stand on. */
export interface OutcomePlace {
  /** Goes into the record. */
  readonly executor: string;
  /** Unix ms, the broker's clock; goes into the record. */
  readonly now: number;
  /** Which of its batch: retries that are due in the same millisecond keep their order. */
  readonly index: number;
}

/** A score has room for so many places within a millisecond. */
const PLACES = 1_024;

/** Whether an outcome writes nothing beside the acknowledgement: the hot path. */
export function hasNothingToTell(outcome: Outcome): boolean {
  return outcome.kind === "done" && outcome.retentionMs === 0 && !outcome.recorded;
}

/** The commands of one outcome. */
export function outcomeCommands(
  outcome: Outcome,
  delivery: RedisDelivery,
  { executor, now, index }: OutcomePlace,
): RedisCommand[] {
  if (hasNothingToTell(outcome)) return NOTHING;
  const key = recordKey(outcome.id);
  const { queue } = delivery;
  const head = headOf(outcome, delivery, executor);
  const since = sinceOf(outcome, delivery, key);
  const freed: RedisCommand[] =
    outcome.uniqueKey === null ? [] : [["FREE", uniqueKey(queue, outcome.uniqueKey), outcome.id]];
  const until = keepUntil(now, outcome.retentionMs);
  switch (outcome.kind) {
    case "done":
      if (outcome.retentionMs === 0) return [["DEL", key, logKey(outcome.id)], ...freed];
      return [
        // First, since of all steps only this one can fail for what stands in the key.
        ["HINCRBY", key, "completions", 1],
        [
          "HSET",
          key,
          ...head,
          "state",
          "done",
          "finished_at",
          Math.round(now),
          "progress",
          1,
          "result",
          outcome.result ?? "",
        ],
        ...since,
        ...(outcome.resultOmitted ? [["HSET", key, "result_omitted", outcome.resultOmitted] as const] : []),
        ["ZADD", doneKey(queue), until, outcome.id],
        ...freed,
      ];
    case "cancelled":
      return [
        ["HSET", key, ...head, "state", "cancelled", "finished_at", Math.round(now), "reason", outcome.reason],
        ...since,
        // Where the enqueue wrote no record, a retry by hand finds it here.
        ["HSETNX", key, "message", delivery.raw ?? ""],
        ["ZADD", cancelledKey(queue), until, outcome.id],
        ...freed,
        ["ZREM", CANCELLED_KEY, outcome.id],
        ["ZREM", waitingCancelledKey(queue), outcome.id],
        ["UNFLAG", cancelFlagKey(outcome.id)],
      ];
    case "dead":
      return [
        ["RAW", key],
        [
          "HSET",
          key,
          ...head,
          "state",
          "dead",
          "finished_at",
          Math.round(now),
          "progress",
          -1,
          "reason",
          outcome.reason,
        ],
        ...since,
        ["HSET", key, "error", outcome.error === null ? "" : JSON.stringify(outcome.error)],
        ...errorSteps(outcome, key, executor, now),
        ["ZADD", deadKey(queue), Math.floor(now), outcome.id],
        ...freed,
      ];
    case "parked":
      return [
        ["HSET", key, ...head, "state", "queued", "entry", "", "message", delivery.raw ?? ""],
        ...since,
        ["HSETNX", key, "retention", outcome.retentionMs],
        ["ZADD", parkedKey(queue, outcome.type), placeInLine(delivery.entry), outcome.id],
        ["SADD", PARKED_TYPES_KEY, parkedName(queue, outcome.type)],
      ];
    case "retry": {
      const due = Math.round(now + outcome.delayMs);
      return [
        ["HSET", key, ...head, "state", "retrying", "due_at", due, "message", outcome.message, "entry", ""],
        ...since,
        ["HSET", key, "error", JSON.stringify(outcome.error), "retention", outcome.retentionMs],
        ...errorSteps(outcome, key, executor, now),
        ["ZADD", scheduledKey(queue), due + (index % PLACES) / PLACES, outcome.id],
      ];
    }
  }
}

/** Keeps the error of this attempt beside those before it: each has a number, and the oldest but the first goes. */
function errorSteps(
  { error, failure, attempt }: Extract<Outcome, { kind: "retry" | "dead" }>,
  key: string,
  executor: string,
  at: number,
): RedisCommand[] {
  if (error === null) return [];
  const number = (failure?.before ?? 0) + 1;
  const kept = attemptError(error, { attempt: failure?.attempt ?? attempt, at, executor });
  const dropped = droppedFor(number);
  return [
    ["HSET", key, `${ERROR_FIELD}${number}`, JSON.stringify(kept)],
    ...(dropped === null ? [] : [["HDEL", key, `${ERROR_FIELD}${dropped}`] as const]),
  ];
}

/** Until when a record is kept, Unix ms; 0: that of a cancelled task. */
export function keepUntil(now: number, retentionMs: number): number {
  return Math.round(now + (retentionMs || CANCELLED_MS));
}

/** From an entry's id, `{ms}-{number}`, to a score: what was queued first is queued again first. */
function placeInLine(entry: string): number {
  const [ms = 0, number = 0] = entry.split("-").map(Number);
  return ms + Math.min(number, PLACES - 1) / PLACES;
}

/** Whether nobody has had the entry before, so that nobody can have written about it. */
export function isFirst({ deliveries, mayBeHeld }: RedisDelivery): boolean {
  return deliveries === 1 && !mayBeHeld;
}

function headOf(outcome: Outcome, delivery: RedisDelivery, executor: string): (string | number)[] {
  const head: (string | number)[] = ["attempt", outcome.attempt, "executor", executor];
  if (outcome.startedAt !== null) head.push("started_at", Math.round(outcome.startedAt));
  if (outcome.told !== null) head.push("progress", outcome.told.progress, "progress_msg", outcome.told.log);
  if (outcome.crashes > 0) head.push("crashes", outcome.crashes);
  if (!hasWhole(outcome, delivery)) {
    head.push("id", outcome.id, "type", outcome.type, "queue", delivery.queue, "priority", delivery.priority);
    head.push("stream", delivery.stream);
  }
  return head;
}

/** When it was enqueued first: each further attempt is queued later. */
function sinceOf(outcome: Outcome, delivery: RedisDelivery, key: string): RedisCommand[] {
  return hasWhole(outcome, delivery) ? NOTHING : [["HSETNX", key, "enqueued_at", delivery.queuedAt]];
}

/**
 * Whether the record says already what the task is. One that the enqueue wrote does; that of a foreign or unreadable
 * message begins at its end, also where an attempt told something, or an earlier delivery may have, and ended before
 * that was written.
 */
function hasWhole(outcome: Outcome, delivery: RedisDelivery): boolean {
  return outcome.kind === "done" && outcome.recorded && outcome.told === null && isFirst(delivery);
}
