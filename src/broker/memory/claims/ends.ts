/** The ends of attempts, and progress on the way; neither does anything where the lease is lost. */

import { attemptError, withError } from "../../../task/record/attempt-errors.ts";
import { packSpent, timesOf } from "../../../task/record/attempt-times.ts";
import type { CompletionResult, Outcome, ProgressWrite } from "../../broker.ts";
import { outcomeProblem } from "../../check-outcomes.ts";
import { followRequest } from "../../contract/follow-up.ts";
import { type Entry, recordOf } from "../store/entry.ts";
import type { MemoryStore } from "../store/store.ts";
import { freeAllKeys, freeKey } from "../store/unique-keys.ts";
import { enqueue } from "../tasks.ts";
import { MemoryDelivery } from "./delivery.ts";
import { releaseOne } from "./leases.ts";

/** An end that no other attempt follows. */
type Ending = Extract<Outcome, { kind: "done" | "dead" | "cancelled" }>;

/** Dead tasks are kept whatever their retention: somebody must be able to look at them. */
export function complete(
  store: MemoryStore,
  outcomes: readonly Outcome[],
  deadRetentionMs: number,
): CompletionResult[] {
  return outcomes.map((outcome) => {
    const refused = outcomeProblem(outcome);
    if (refused !== null) return { refused };
    // It waits in its place; the next claim sees that its type is paused.
    if (outcome.kind === "parked") return releaseOne(store, outcome.delivery) ? "recorded" : "lost";
    const entry = MemoryDelivery.of(outcome.delivery).held(store);
    if (entry === null) return "lost";
    if (outcome.kind === "retry" || outcome.kind === "dead") keepError(store, entry, outcome);
    if (outcome.kind === "retry") retryLater(store, entry, outcome);
    else {
      end(store, entry, outcome, outcome.kind === "dead" ? deadRetentionMs : outcome.retentionMs);
      if (outcome.followUp !== undefined) enqueue(store, [followRequest(outcome.followUp, recordOf(entry))]);
    }
    return "recorded";
  });
}

function retryLater(store: MemoryStore, entry: Entry, outcome: Extract<Outcome, { kind: "retry" }>): void {
  const { attempt, crashes, startedAt, delayMs, error, message } = outcome;
  const dueAt = Math.ceil(store.now() + delayMs);
  const change = { token: 0, deliveries: 0, attempt, crashes, startedAt, dueAt, error, message };
  store.move(entry, "retrying", { ...change, ...toldBy(entry, outcome) });
}

function end(store: MemoryStore, entry: Entry, outcome: Ending, keptMs: number): void {
  const { kind, attempt, crashes, startedAt, uniqueKey } = outcome;
  if (keptMs > 0 || outcome.followUp !== undefined) {
    const now = store.now();
    const told = toldBy(entry, outcome);
    store.move(entry, kind, {
      ...{ token: 0, attempt, crashes, startedAt, finishedAt: now, expiresAt: now + Math.ceil(keptMs) },
      ...{ progressMsg: told.progressMsg, progress: { done: 1, dead: -1, cancelled: told.progress }[kind] },
      completions: kind === "done" ? 1 : 0,
      result: outcome.kind === "done" ? outcome.result : null,
      resultOmitted: outcome.kind === "done" ? (outcome.resultOmitted ?? null) : null,
      reason: outcome.kind === "done" ? null : outcome.reason,
      error: outcome.kind === "dead" ? outcome.error : null,
      times: outcome.spent === undefined ? null : packSpent(outcome.spent),
    });
  }
  if (keptMs <= 0) store.remove(entry);
  store.flags.delete(entry.id);
  if (kind === "cancelled") freeAllKeys(store, entry);
  else if (uniqueKey !== null) freeKey(store, entry, uniqueKey);
}

/** Adds the error of this attempt to those of the task. */
function keepError(store: MemoryStore, entry: Entry, outcome: Extract<Outcome, { kind: "retry" | "dead" }>): void {
  if (outcome.error === null) return;
  const { attempt } = outcome.failure ?? outcome;
  const { spent, startedAt } = outcome;
  const at = store.now();
  const times = spent === undefined ? undefined : timesOf(spent, startedAt ?? at, at);
  const of = { attempt, at, executor: entry.owner ?? "", times };
  entry.errors = withError(entry.errors, attemptError(outcome.error, of));
}

/** The last progress and log; what is there stays where nothing was told. */
function toldBy(entry: Entry, { told }: Outcome): Pick<Entry, "progress" | "progressMsg"> {
  return { progress: told?.progress ?? entry.progress, progressMsg: told?.log ?? entry.progressMsg };
}

export function writeProgress(store: MemoryStore, writes: readonly ProgressWrite[]): void {
  for (const { delivery, attempt, startedAt, progress, progressMsg } of writes) {
    const entry = MemoryDelivery.of(delivery).held(store);
    if (entry !== null) Object.assign(entry, { attempt, startedAt, progress, progressMsg });
  }
}
