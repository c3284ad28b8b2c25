/**
 * What an outcome writes beside the acknowledgement, as the steps of end-script.ts.
 * A task with nothing to tell (done, no record) writes nothing at all.
 */
import { attemptError, droppedFor } from "../../../task/record/attempt-errors.ts";
import { packSpent, timesOf } from "../../../task/record/attempt-times.ts";
import { endedByOf } from "../../../task/record/ended-by.ts";
import type { Outcome } from "../../broker.ts";
import { aroundPayload, type FollowUp, isResultTooDeep } from "../../contract/follow-up.ts";
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
  streamKey,
  uniqueKey,
  waitingCancelledKey,
} from "../keys.ts";
import type { RedisDelivery } from "./delivery.ts";

/** One Redis command: its name, then its arguments. */
export type RedisCommand = readonly [name: string, ...args: (string | number)[]];

/**
 * How long the record of a cancelled task stays that keeps none, in ms: whoever waits for it must be able to read it.
 */
const CANCELLED_MS = 60_000;

/** A message up to so many UTF-16 code units is sent with the end; Redis takes a longer one from the entry itself. */
export const MOST_SENT = 1_024;

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
  return outcome.kind === "done" && outcome.retentionMs === 0 && !outcome.recorded && outcome.followUp === undefined;
}

/** The commands of one outcome. */
export function outcomeCommands(outcome: Outcome, delivery: RedisDelivery, place: OutcomePlace): RedisCommand[] {
  if (hasNothingToTell(outcome)) return NOTHING;
  const { followUp } = outcome;
  if (followUp === undefined) return stepsOf(outcome, delivery, place);
  const follow = followStep(followUp, outcome, delivery, place.now);
  if (outcome.kind !== "done" || outcome.retentionMs > 0) return [...stepsOf(outcome, delivery, place), follow];
  // No record is kept, and yet there is one to hand on.
  const kept = stepsOf({ ...outcome, retentionMs: 1 }, delivery, place);
  return [...kept.filter(([name]) => name !== "ZADD"), follow, ["GONE", recordKey(outcome.id), logKey(outcome.id)]];
}

/** The step that enqueues what follows: see scripts/follow.ts. */
function followStep(followUp: FollowUp, outcome: Outcome, { queue }: RedisDelivery, now: number): RedisCommand {
  const errors = outcome.kind === "dead" && outcome.error !== null ? [outcome.error] : [];
  const reason = outcome.kind === "cancelled" ? outcome.reason : null;
  const state = outcome.kind === "dead" || outcome.kind === "cancelled" ? outcome.kind : "done";
  const endedBy = endedByOf({ state, reason, errors });
  const isDeep = outcome.kind === "done" && isResultTooDeep(outcome.result);
  return [
    "FOLLOW",
    ...[outcome.id, followUp.id, followUp.type, streamKey(queue, 0), queue, Math.round(followUp.retentionMs)],
    ...[isDeep ? 1 : "", ...aroundPayload(followUp)],
    outcome.kind === "cancelled" ? waitingCancelledKey(queue) : "",
    endedBy === null ? "" : JSON.stringify(endedBy),
    timesIn(outcome, now),
  ];
}

function stepsOf(outcome: Outcome, delivery: RedisDelivery, { executor, now, index }: OutcomePlace): RedisCommand[] {
  const key = recordKey(outcome.id);
  const { queue } = delivery;
  const head = headOf(outcome, delivery, executor);
  const since: RedisCommand = ["FIRST", "enqueued_at", delivery.queuedAt];
  const freed: RedisCommand[] =
    outcome.uniqueKey === null ? [] : [["FREE", uniqueKey(queue, outcome.uniqueKey), outcome.id]];
  const until = keepUntil(now, outcome.retentionMs);
  switch (outcome.kind) {
    case "done":
      if (outcome.retentionMs === 0) return [["DEL", key, logKey(outcome.id)], ...freed];
      return [
        since,
        ["KEEP", ...head, "state", "done", "finished_at", Math.round(now), "progress", 1],
        [
          "KEEP",
          "result",
          outcome.result ?? "",
          "result_omitted",
          outcome.resultOmitted ?? "",
          "times",
          spentIn(outcome),
        ],
        ["COUNT"],
        ...messageOf(delivery),
        ["DROP", "entry", "due_at", "retention"],
        ["ZADD", doneKey(queue), until, outcome.id],
        ...freed,
      ];
    case "cancelled":
      return [
        since,
        ["KEEP", ...head, "state", "cancelled", "finished_at", Math.round(now), "reason", outcome.reason],
        ["KEEP", "times", spentIn(outcome)],
        ...messageOf(delivery),
        ["DROP", "entry", "due_at"],
        ["ZADD", cancelledKey(queue), until, outcome.id],
        ...freed,
        ["ZREM", CANCELLED_KEY, outcome.id],
        ["ZREM", waitingCancelledKey(queue), outcome.id],
        ["UNFLAG", cancelFlagKey(outcome.id)],
      ];
    case "dead":
      return [
        since,
        ["KEEP", ...head, "state", "dead", "finished_at", Math.round(now), "progress", -1, "reason", outcome.reason],
        ["KEEP", "error", outcome.error === null ? "" : JSON.stringify(outcome.error)],
        ...errorSteps(outcome, executor, now),
        // What cannot be read is kept byte by byte.
        ["RAW"],
        ["DROP", "entry", "due_at"],
        ["ZADD", deadKey(queue), Math.floor(now), outcome.id],
        ...freed,
      ];
    case "parked":
      return [
        since,
        ["KEEP", ...head, "state", "queued", "entry", "", "message", delivery.raw ?? ""],
        ["FIRST", "retention", outcome.retentionMs],
        ["ZADD", parkedKey(queue, outcome.type), placeInLine(delivery.entry), outcome.id],
        ["SADD", PARKED_TYPES_KEY, parkedName(queue, outcome.type)],
      ];
    case "retry": {
      const due = Math.round(now + outcome.delayMs);
      return [
        since,
        ["KEEP", ...head, "state", "retrying", "due_at", due, "message", outcome.message, "entry", ""],
        ["KEEP", "error", JSON.stringify(outcome.error), "retention", outcome.retentionMs],
        ...errorSteps(outcome, executor, now),
        ["ZADD", scheduledKey(queue), due + (index % PLACES) / PLACES, outcome.id],
      ];
    }
  }
}

/** Keeps the error of this attempt beside those before it: each has a number, and the oldest but the first goes. */
function errorSteps(
  { error, failure, attempt, spent, startedAt }: Extract<Outcome, { kind: "retry" | "dead" }>,
  executor: string,
  at: number,
): RedisCommand[] {
  if (error === null) return [];
  const number = (failure?.before ?? 0) + 1;
  const times = spent === undefined ? undefined : timesOf(spent, startedAt ?? at, at);
  const kept = attemptError(error, { attempt: failure?.attempt ?? attempt, at, executor, times });
  const dropped = droppedFor(number);
  return [
    ["KEEP", `${ERROR_FIELD}${number}`, JSON.stringify(kept)],
    ...(dropped === null ? [] : [["DROP", `${ERROR_FIELD}${dropped}`] as const]),
  ];
}

/** As JSON; "": its code was never called. */
function timesIn({ spent, startedAt }: Outcome, now: number): string {
  return spent === undefined ? "" : JSON.stringify(timesOf(spent, startedAt ?? now, now));
}

/** "": nothing is told of it. */
function spentIn({ spent }: Outcome): string {
  return spent === undefined ? "" : packSpent(spent);
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
  head.push("type", outcome.type, "queue", delivery.queue, "priority", delivery.priority);
  return head;
}

/** The record of an ended task holds its message: the entry goes. */
function messageOf({ raw }: RedisDelivery): RedisCommand[] {
  const sent: RedisCommand[] = raw === null || raw.length > MOST_SENT ? [] : [["KEEP", "message", raw]];
  return sent.length > 0 ? sent : [["RAW"]];
}
