/**
 * The broker contract: where tasks wait and how an executor takes, keeps and ends them.
 * Batch first: every hot call takes and gives arrays. redis/ and sqlite/ implement it; one contract suite fixes it.
 * Delivery is at least once; a completion is recorded once: who lost the lease is refused (`lost`), never obeyed.
 * Every method rejects with BrokerUnavailableError while the broker is away or refuses, and is safe to call again.
 */
import type { ErrorRecord, TaskRecord } from "../task/record.ts";
import type { TaskState } from "../task/state.ts";
import type { Administration } from "./administration.ts";
import type { EnqueueReceipt, EnqueueRequest } from "./enqueue-request.ts";
import type { LeaseStamp } from "./lease-stamp.ts";

export type { EnqueueReceipt, EnqueueRequest } from "./enqueue-request.ts";

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
  /** How often it has been delivered, this time included; more than 1: somebody died or stalled over it. */
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
}

interface OutcomeBase {
  readonly delivery: Delivery;
  /** The task's id; for an entry that has none, the id that the dead record shall have. */
  readonly id: string;
  readonly type: string;
  /** Which attempt this was, from 1. */
  readonly attempt: number;
  /** How often an executor died or stalled over the task so far, in all its attempts. */
  readonly crashes: number;
  /** When the attempt began, Unix ms on the broker's clock; null when the handler never ran. */
  readonly startedAt: number | null;
  /** How long the record is to be kept, in ms; 0: keep none. */
  readonly retentionMs: number;
  /** Whether a record may be there already (from the enqueue or from progress), to be removed with retention 0. */
  readonly recorded: boolean;
  /** The unique key that the task holds until it has ended; null: none. */
  readonly uniqueKey: string | null;
  /** The last value of progress and the whole log of messages; null when the handler told nothing. */
  readonly told: { readonly progress: number; readonly log: string } | null;
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

/**
 * What a cancel found. `state` is the state the task was in; null: no such task is known (the flag is set all the
 * same).
 */
export interface CancelReceipt {
  readonly id: string;
  readonly state: TaskState | null;
}

export interface QueueCounts {
  readonly name: string;
  readonly queued: number;
  readonly running: number;
  /** Scheduled and retrying: whatever waits for a time. */
  readonly scheduled: number;
  readonly dead: number;
  /** Records that are kept. */
  readonly done: number;
  readonly cancelled: number;
}

/** Sums over all queues of the executor: claimed and not ended; not yet claimed. */
export interface Backlog {
  readonly pending: number;
  readonly lag: number;
}

/** Another executor's last heartbeat. `beat` is null where it is missing or is not a JSON object. */
export interface FleetMember {
  readonly name: string;
  /** Unix ms; null without a beat. */
  readonly at: number | null;
  readonly beat: Readonly<Record<string, unknown>> | null;
}

export interface CleanReport {
  /** Names removed from the fleet: their last beat was older than the timeout. */
  readonly removed: readonly string[];
  /** Records and dead tasks removed since their time was over or there were too many. */
  readonly purged: number;
  /** Queues that are gone: nothing was in them, and nobody had used them for a day. Absent: none is kept then. */
  readonly dropped?: readonly string[];
  /** Null: it cannot be told. Absent: such a thing cannot be. */
  readonly vanished?: Vanished | null;
}

/** What one step of the removal did. */
export interface Removal {
  /** How many records are gone. */
  readonly removed: number;
  /** Whether the next step has something to do at once. */
  readonly more: boolean;
}

/** Tasks that say that they wait, and that nothing holds: a retry, or an enqueue of the same id, queues one again. */
export interface Vanished {
  readonly count: number;
  /** The first ten at the most. */
  readonly ids: readonly string[];
  /** Unix ms on the broker's clock. */
  readonly countedAt: number;
}

/**
 * How it stands with the broker just now. `connected`: what an executor has to do goes through. `away`: nobody answers.
 * `refusing`: it answers, but refuses what an executor has to do (it is a replica, has no memory, lacks a right).
 */
export interface ConnectionState {
  readonly state: "connected" | "away" | "refusing";
  /** Of the present trouble, without secrets, and what to do where that is known; null while connected. */
  readonly lastError: string | null;
  /** What is not right though tasks run, as sentences. */
  readonly warnings: readonly string[];
}

export interface BrokerOptions {
  /** The executor's name, the owner of what it claims. Clients pass null: they cannot claim. */
  readonly executor: string | null;
  readonly queues: readonly string[];
  /** How many priorities there are: 0..priorities-1. Default 2. */
  readonly priorities?: number;
  /** How long a claim is held without a renewal, in ms. */
  readonly leaseMs: number;
  /** After how long without a beat an executor is expelled, in ms. Default 120 000. */
  readonly heartbeatTimeoutMs?: number;
  /** How many dead tasks are kept in a queue, and how long, in ms. Defaults 10 000 and 30 days. */
  readonly deadLimit?: number;
  readonly deadRetentionMs?: number;
  /** How many done, and how many cancelled tasks are kept in a queue; 0: any number. Default 100 000 each. */
  readonly doneLimit?: number;
  readonly cancelledLimit?: number;
  /** After how long without use an empty queue is removed, in ms. Default: a day. */
  readonly queueUnusedMs?: number;
  /**
   * How many bytes of tasks' logs are kept in a queue, the oldest logs go first; 0: any number. Default 256 000 000.
   */
  readonly logBytes?: number;
}

export interface Broker extends Administration {
  readonly kind: "redis" | "sqlite";
  /** Whether another process does the work of a call, so that ours goes on meanwhile. */
  readonly isRemote: boolean;
  /** The address without user and password. */
  readonly url: string;
  /** Never waits, never throws. */
  connection(): ConnectionState;
  /** Calls the listener at each change of connection(); returns what undoes it. */
  onConnectionChange(listener: (state: ConnectionState) => void): () => void;
  /** The broker's clock, Unix ms, estimated without a round trip. */
  now(): number;

  /** Connects and creates what must exist. Waits for the broker until the signal aborts. */
  open(signal: AbortSignal): Promise<void>;
  /** Gives everything back; calls that are under way reject. Never throws. */
  close(): Promise<void>;

  /** All or nothing per call of at most 1 000; the receipts are in the order of the requests. */
  enqueue(requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]>;

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

  /** Cancels tasks in whatever state: waiting ones at once, running ones by flag and push. */
  cancel(ids: readonly string[]): Promise<CancelReceipt[]>;
  /** Which of these ids have a cancel flag. */
  cancelled(ids: readonly string[]): Promise<string[]>;
  /** Calls the listener with ids that somebody cancels from now on; returns what undoes it. */
  onCancel(listener: (ids: readonly string[]) => void): () => void;

  writeProgress(writes: readonly ProgressWrite[]): Promise<void>;
  /** The record of a task; null where none is kept. */
  record(id: string): Promise<TaskRecord | null>;

  counts(): Promise<QueueCounts[]>;
  backlog(): Promise<Backlog>;

  /**
   * Registers the executor (again) and stores its beat: JSON of the shape that RagFlow's readers expect.
   *
   * @param isDue - false: it is there until the next one comes, of either kind. Default true: it stays in the series.
   * @param kept - what stays of one that was due, once the next one has come. Default: the whole.
   */
  beat(json: string, isDue?: boolean, kept?: string): Promise<void>;
  /** The last beat out: the executor leaves the fleet. `json` is stored as the last beat before it does. */
  leave(json: string): Promise<void>;
  /**
   * All executors that are registered, ours too: their beats without the tasks that they run (`current`, `started`),
   * whose number stands in `slots_taken`.
   */
  fleet(): Promise<FleetMember[]>;
  /** One of them, whose beat says when its tasks began; null where none of that name is registered. */
  member(name: string): Promise<FleetMember | null>;
  /** Takes the clean-up lock for 60 s; false where somebody else has it. */
  lock(): Promise<boolean>;
  /** Gives the clean-up lock back, if it is still ours. */
  unlock(): Promise<void>;
  /** To be called under the lock: trims heartbeats, expels the dead, removes what is over. Bounded work. */
  clean(): Promise<CleanReport>;
  /**
   * One step of the removal of what is over: records whose time has come or that are too many, and what is left over of
   * keys and cancels. Bounded work of some ms; it needs no lock.
   */
  removeEnded(): Promise<Removal>;
}

/** The broker cannot be reached, or did not answer in time. What was asked may or may not have happened. */
export class BrokerUnavailableError extends Error {
  override readonly name: string = "BrokerUnavailableError";
}

/**
 * The broker answers, but refuses just now; the message says why. It heals without us, so that it can be asked again.
 */
export class BrokerRefusedError extends BrokerUnavailableError {
  override readonly name: string = "BrokerRefusedError";
}

/** The same for one call alone, by what it is about (a key, a right): others may go through meanwhile. */
export class CallRefusedError extends BrokerRefusedError {
  override readonly name = "CallRefusedError";
}

/** The broker is none that we can work with, as a server that is too old; waiting does not help. */
export class BrokerUnfitError extends Error {
  override readonly name = "BrokerUnfitError";
}

/** How many requests one enqueue takes. */
export const MAX_ENQUEUE_BATCH = 1000;

/**
 * At how many characters of messages a batch of several tasks is full, so that a thousand large ones are not in memory
 * at once, nor in one command: 16 million.
 */
export const ENQUEUE_BATCH_LENGTH = 16_000_000;
