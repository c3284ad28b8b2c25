/**
 * The ends of attempts, and progress on the way. Every statement carries the fence; where it changes nothing, the
 * lease was lost and nothing is written. A task that keeps no record is removed by one DELETE.
 */
import { attemptError, withError } from "../../../task/record/attempt-errors.ts";
import { packSpent, timesOf } from "../../../task/record/attempt-times.ts";
import type { CompletionResult, Outcome, ProgressWrite } from "../../broker.ts";
import { outcomeProblem } from "../../check-outcomes.ts";
import { anyFlag, dropFlag, flaggedOf } from "../cancels.ts";
import { NO_TOKEN, STATE } from "../file/schema.ts";
import type { Store } from "../file/store.ts";
import type { Transaction } from "../file/transaction.ts";
import { enqueueFollowUp } from "../follow-ups.ts";
import type { Bell } from "../news/bell.ts";
import { errorsOf, textOf } from "../records/rows.ts";
import { anyLog, dropLogs } from "../records/task-logs.ts";
import { freeAllKeys, freeKey } from "../records/unique-keys.ts";
import { releaseOne } from "./claims.ts";
import { SqliteDelivery } from "./delivery.ts";

const HELD = `WHERE seq = ?1 AND token = ?2 AND state = ${STATE.running}`;
const REMOVE = `DELETE FROM tasks ${HELD}`;
const REMOVE_ENDED = "DELETE FROM tasks WHERE seq = ?";
const END = `UPDATE tasks SET state = ?3, token = ${NO_TOKEN}, completions = (?3 = ${STATE.done}),
  attempt = ?4, started_at = ?5, finished_at = ?6, expires_at = ?7, result = ?8, result_omitted = ?9, reason = ?10,
  error = ?11, progress = coalesce(?12, progress), progress_msg = coalesce(?13, progress_msg), crashes = ?14,
  times = ?15 ${HELD}`;
const RETRY = `UPDATE tasks SET state = ${STATE.retrying}, token = ${NO_TOKEN}, deliveries = 0, attempt = ?3,
  started_at = ?4, due_at = ?5, error = ?6, message = ?7, progress = coalesce(?8, progress),
  progress_msg = coalesce(?9, progress_msg), crashes = ?10 ${HELD}`;
const ERRORS = `SELECT owner, errors FROM tasks ${HELD}`;
const KEEP_ERRORS = "UPDATE tasks SET errors = ? WHERE seq = ?";
const PROGRESS = `UPDATE tasks SET attempt = ?3, started_at = ?4, progress = ?5, progress_msg = ?6 ${HELD}`;

/** An outcome that changes the task; a parked one goes back as it came. */
type Ending = Exclude<Outcome, { kind: "parked" }>;
/** One that may have an error. */
type Failed = Extract<Outcome, { kind: "retry" | "dead" }>;

/** Ends attempts, in order. Dead tasks are kept whatever their retention: somebody must be able to look at them. */
export async function complete(
  store: Store,
  outcomes: readonly Outcome[],
  deadRetentionMs: number,
  bell: Bell,
): Promise<CompletionResult[]> {
  const results = await store.write(outcomes.length, (tx) => {
    // Asked once for all: a question a task would be felt.
    const ids = outcomes.map(({ delivery }) => SqliteDelivery.of(delivery).id);
    const flagged = anyFlag(tx) ? flaggedOf(tx, ids) : null;
    const logs = anyLog(tx);
    return outcomes.map((outcome) => {
      const refused = outcomeProblem(outcome);
      if (refused !== null) return { refused };
      const delivery = SqliteDelivery.of(outcome.delivery);
      // It waits in its place; the next claim sees that its type is paused.
      if (outcome.kind === "parked") return releaseOne(tx, delivery) ? "recorded" : "lost";
      const keptMs = outcome.kind === "dead" ? deadRetentionMs : outcome.retentionMs;
      if (!completeOne(tx, delivery, outcome, keptMs)) return "lost";
      if (outcome.kind === "retry") return "recorded";
      if (flagged?.has(delivery.id)) dropFlag(tx, delivery.id);
      if (logs && keptMs <= 0) dropLogs(tx, [delivery.seq]);
      if (outcome.kind === "cancelled") freeAllKeys(tx, [delivery.seq]);
      else if (outcome.uniqueKey !== null) freeKey(tx, delivery.seq);
      return "recorded";
    });
  });
  if (outcomes.some(({ followUp }) => followUp !== undefined)) bell.ring();
  return results;
}

function completeOne(tx: Transaction, delivery: SqliteDelivery, outcome: Ending, keptMs: number): boolean {
  const { seq, token, queue } = delivery;
  if (outcome.kind === "retry" || outcome.kind === "dead") keepError(tx, delivery, outcome);
  if (outcome.kind === "retry") return retry(tx, delivery, outcome);
  const kept = keptMs > 0;
  const { followUp } = outcome;
  const { changes } =
    kept || followUp !== undefined
      ? tx
          .sql(END)
          .run(seq, token, STATE[outcome.kind], outcome.attempt, outcome.startedAt, ...ending(tx, outcome, keptMs))
      : tx.sql(REMOVE).run(seq, token);
  if (changes !== 1) return false;
  if (followUp !== undefined) enqueueFollowUp(tx, seq, followUp);
  if (!kept && followUp !== undefined) tx.sql(REMOVE_ENDED).run(seq);
  tx.moved(queue, "running", kept ? outcome.kind : null);
  return true;
}

/** From finished_at on: what the record tells of the end. */
function ending(tx: Transaction, outcome: Exclude<Ending, { kind: "retry" }>, keptMs: number) {
  const [result, omitted] = outcome.kind === "done" ? [outcome.result, outcome.resultOmitted ?? null] : [null, null];
  const reason = outcome.kind === "done" ? null : outcome.reason;
  const error = outcome.kind === "dead" && outcome.error !== null ? JSON.stringify(outcome.error) : null;
  const [progress, log] = toldBy(outcome);
  const last = { done: 1, dead: -1, cancelled: progress }[outcome.kind];
  const times = outcome.kind === "dead" || outcome.spent === undefined ? null : packSpent(outcome.spent);
  return [tx.now, tx.now + Math.ceil(keptMs), result, omitted, reason, error, last, log, outcome.crashes, times];
}

function retry(tx: Transaction, delivery: SqliteDelivery, outcome: Extract<Outcome, { kind: "retry" }>): boolean {
  const { seq, token, queue } = delivery;
  const { attempt, startedAt, delayMs, error, message, crashes } = outcome;
  const dueAt = Math.ceil(tx.now + delayMs);
  const { changes } = tx
    .sql(RETRY)
    .run(seq, token, attempt, startedAt, dueAt, JSON.stringify(error), message, ...toldBy(outcome), crashes);
  if (changes !== 1) return false;
  tx.moved(queue, "running", "retrying");
  return true;
}

/** Adds the error of this attempt to those of the task. Before its end: then it is still held. */
function keepError(tx: Transaction, { seq, token }: SqliteDelivery, outcome: Failed): void {
  if (outcome.error === null) return;
  const row = tx.sql(ERRORS).get(seq, token);
  if (row === undefined) return;
  const { attempt } = outcome.failure ?? outcome;
  const { spent, startedAt } = outcome;
  const times = spent === undefined ? undefined : timesOf(spent, startedAt ?? tx.now, tx.now);
  const added = attemptError(outcome.error, { attempt, at: tx.now, executor: textOf(row, "owner"), times });
  tx.sql(KEEP_ERRORS).run(JSON.stringify(withError(errorsOf(row), added)), seq);
}

/** The last progress and log; nulls leave what is there. */
function toldBy({ told }: Outcome): readonly [number | null, string | null] {
  return [told?.progress ?? null, told?.log ?? null];
}

/** Writes progress where the lease still holds. */
export function writeProgress(store: Store, writes: readonly ProgressWrite[]): Promise<void> {
  return store.write(writes.length, (tx) => {
    for (const { delivery, attempt, startedAt, progress, progressMsg } of writes) {
      const { seq, token } = SqliteDelivery.of(delivery);
      tx.sql(PROGRESS).run(seq, token, attempt, startedAt, progress, progressMsg);
    }
  });
}
