/**
 * The contract's part for executors: they take tasks, keep them by a lease, and end them. Delivery is at least once; a
 * completion is recorded once: an executor that has lost the lease is refused (`lost`), never obeyed.
 */
import type { Spent } from "../../task/record/attempt-times.ts";
import type { FailureReason } from "../../task/record/failure-reason.ts";
import type { ErrorRecord } from "../../task/record/record.ts";
import type { LeaseStamp } from "../lease-stamp.ts";
import type { TaskLines } from "./admin.ts";
import type { FollowUp } from "./follow-up.ts";

/** One claimed entry. The broker's own object: hand the same one back to renew, complete and release. */
export interface Delivery {
  readonly queue: string;
  readonly priority: number;
  /** The broker's own name for it; unique among what is claimed. */
  readonly handle: string;
  /** The message as it came; null where the entry has no readable `message` field. */
  readonly raw: string | null;
  /** What is wrong with the entry itself (no field, several fields, not text); null when nothing is. */
  readonly problem: string | null;
  /**
   * How often it has been delivered since it was queued, this time included; more than 1: executors died or stalled
   * over it. That charges nobody: who is charged stands in the message (executor/attempt/charges.ts).
   */
  readonly deliveries: number;
  /** When the entry was queued, Unix ms on the broker's clock; null when unknown. */
  readonly queuedAt: number | null;
  /** True where waiting tasks have been cancelled and may still come: ask `cancelled` before this one is run. */
  readonly mayBeCancelled: boolean;
  /**
   * True where it may have come again, while it is held by whoever claims it now: then it is not to be started twice.
   */
  readonly mayBeHeld?: boolean;
  /** When it was last known to be ours; a renewal sets it anew. */
  readonly lease: LeaseStamp;
  /** Noted by the executor that has claimed it. */
  arrival?: Arrival | undefined;
}

/** When a claim came in; shared by those that came together. */
export interface Arrival {
  /** Unix ms on the broker's clock. */
  readonly at: number;
  /** How long those of it had waited, about; null: that is not known. */
  readonly waitedSeconds: number | null;
}

interface OutcomeBase {
  readonly delivery: Delivery;
  /** The task's id; for an entry that has none, the id that the dead record shall have. */
  readonly id: string;
  readonly type: string;
  /** Which attempt this was, from 1. */
  readonly attempt: number;
  /** How often the process died that ran the task alone, in all its attempts. */
  readonly crashes: number;
  /** When the attempt began, Unix ms on the broker's clock; null when the handler never ran. */
  readonly startedAt: number | null;
  /** Where its time went until its code had ended; absent: the code was never called, or nothing is kept of it. */
  readonly spent?: Spent | undefined;
  /** How long the record is to be kept, in ms; 0: keep none. */
  readonly retentionMs: number;
  /** Whether a record may be there already (from the enqueue or from progress), to be removed with retention 0. */
  readonly recorded: boolean;
  /** The unique key that the task holds until it has ended; null: none. */
  readonly uniqueKey: string | null;
  /** The last value of progress and the whole log of messages; null when the handler told nothing. */
  readonly told: { readonly progress: number; readonly log: string } | null;
  /** Why it failed, for counts: brokers do not keep it. Absent: it did not. */
  readonly failedBy?: FailureReason;
  /** Of an end: what is enqueued in the same step. Absent: nothing. */
  readonly followUp?: FollowUp;
}

/** What is kept of a failed attempt beside its error. */
export interface Failure {
  /** Which attempt it was, from 1: that of the outcome does not count what costs none. */
  readonly attempt: number;
  /** How many errors of the task were kept before. */
  readonly before: number;
}

/** How an attempt ended. */
export type Outcome =
  | (OutcomeBase & {
      readonly kind: "done" /** JSON text of the result; null: nothing to tell. */;
      readonly result: string | null /** Why the result of the handler is not kept; null or absent: it is. */;
      readonly resultOmitted?: string | null;
    })
  | (OutcomeBase & {
      readonly kind: "retry";
      readonly error: ErrorRecord /** From now, in ms. */;
      readonly delayMs: number /** The message for the next attempt. */;
      readonly message: string;
      readonly failure?: Failure;
    })
  | (OutcomeBase & {
      readonly kind: "dead";
      readonly reason: string;
      readonly error: ErrorRecord | null /** Absent: this one is the first. */;
      readonly failure?: Failure;
    })
  | (OutcomeBase & { readonly kind: "cancelled"; readonly reason: string })
  /** Its type is paused: it waits aside, queued, until the type is resumed. */
  | (OutcomeBase & { readonly kind: "parked" });

/**
 * `recorded`: this call ended the attempt. `lost`: the lease was gone; nothing was written. `refused`: why this one
 * cannot be recorded, while others can; it is not acknowledged, and another outcome may be tried for the same delivery.
 */
export type CompletionResult = "recorded" | "lost" | { readonly refused: string };

/** A task that stays where it is, and why: others go on. */
export interface RefusedTask {
  readonly id: string;
  readonly reason: string;
}

/** One progress write: the whole present value and log of a running task (the executor applies the rules). */
export interface ProgressWrite {
  readonly delivery: Delivery;
  readonly id: string;
  readonly type: string;
  readonly attempt: number;
  readonly startedAt: number;
  readonly progress: number;
  readonly progressMsg: string;
}

/** Sums over all queues of the executor: claimed and not ended; not yet claimed. */
export interface Backlog {
  readonly pending: number;
  readonly lag: number;
}

/** What a broker knows that executors of other programs share, as RagFlow's. */
export interface OtherPrograms {
  /** Whether one of them lives, and no executor of ours has the type: it may run a foreign message that we cannot. */
  mayRun(type: string): Promise<boolean>;
  /**
   * Arranges that no executor of ours reads where these came from, for long enough that others get what they ask for.
   *
   * @returns in how many ms that has begun: then they are to be released.
   */
  quietIn(deliveries: readonly Delivery[]): Promise<number>;
}

export interface Consumer {
  /** Absent: no other program takes tasks from it. */
  readonly others?: OtherPrograms;

  /** How long a claim is held without a renewal, in ms. */
  readonly leaseMs: number;

  /**
   * Takes up to `max` tasks, urgent first, oldest first within a priority. With nothing to take it waits: until a
   * task comes, or some seconds are over (then the answer is empty), or the signal aborts (it rejects with the
   * signal's reason, and nothing is left claimed that the caller does not know).
   */
  claim(max: number, signal: AbortSignal): Promise<Delivery[]>;
  /** What is pending under our own name and not among `known`: after a start, or a lost reply. Up to `max`. */
  recover(known: ReadonlySet<string>, max: number): Promise<Delivery[]>;
  /** Renews the leases; gives those whose lease is lost to somebody else. */
  renew(deliveries: readonly Delivery[]): Promise<Delivery[]>;
  /**
   * Resolves once the claims and ends that were asked for in this turn of the event loop are on their way to whoever
   * stores them: what is started then runs beside that. It does not wait for an answer, and never rejects.
   */
  written(): Promise<void>;
  /** Ends attempts, one result for each outcome, in order. */
  complete(outcomes: readonly Outcome[]): Promise<CompletionResult[]>;
  /** Hands claimed tasks back so that others take them at once; one that is not ours any more is left alone. */
  release(deliveries: readonly Delivery[]): Promise<void>;
  /** Takes over up to `max` expired leases whose owner is gone; they are ours from then on. */
  reclaim(max: number): Promise<Delivery[]>;
  /**
   * Queues what is due; tells how many, in how many ms the next one is due (null: nothing waits), and which could not
   * be queued, if any: those are looked at again later.
   */
  promote(max: number): Promise<{
    readonly promoted: number;
    readonly nextInMs: number | null;
    readonly refused?: readonly RefusedTask[];
  }>;

  /** Which of these ids have a cancel flag. */
  cancelled(ids: readonly string[]): Promise<string[]>;
  /** Calls the listener with ids that somebody cancels from now on; returns what undoes it. */
  onCancel(listener: (ids: readonly string[]) => void): () => void;

  writeProgress(writes: readonly ProgressWrite[]): Promise<void>;
  /**
   * Appends to the logs of tasks; the oldest lines beyond `MAX_LOG_LINES` go, and the oldest logs of a queue beyond
   * `BrokerOptions.logBytes`. Logs go with their record.
   */
  appendLogs(logs: readonly TaskLines[]): Promise<void>;

  /** Whether tasks of this type are paused, as of the last claim: no round trip. */
  isTypePaused(type: string): boolean;
  backlog(): Promise<Backlog>;
}
