/**
 * The contract's part for programs that have work done: they enqueue tasks, look at them by id, and cancel them.
 * What people ask beyond that is in admin.ts; schedules enqueue by the same requests.
 */
import type { TaskRecord } from "../../task/record/record.ts";
import type { TaskState } from "../../task/state.ts";

/** A task to enqueue. `message` is the JSON of src/task/message/message.ts and holds the same id and type. */
export interface EnqueueRequest {
  readonly id: string;
  readonly type: string;
  readonly queue: string;
  /** 0 is ordinary; larger is more urgent; at most `BrokerOptions.priorities - 1`. */
  readonly priority: number;
  readonly message: string;
  /** How long the record is kept once the task has ended, in ms; 0: no record is written at all. */
  readonly retentionMs: number;
  /** Wait this long, in ms on the broker's clock, before it is queued (state scheduled); 0 or absent: at once. */
  readonly delayMs?: number;
  /** While another task holds this key, this one is not enqueued and the receipt names the holder. */
  readonly unique?: {
    /** Any text; unique in the queue. */
    readonly key: string;
    /** How long the key is held, in ms; null: until the holder has ended. */
    readonly ttlMs: number | null;
  };
}

/**
 * `created` is false where a task of that id was there already, or another one holds its unique key: `id` is then the
 * holder's. `state` is its state now.
 */
export interface EnqueueReceipt {
  readonly id: string;
  readonly created: boolean;
  readonly state: TaskState;
}

/**
 * What a cancel found. `state` is the state the task was in; null: no such task is known (the flag is set all the
 * same).
 */
export interface CancelReceipt {
  readonly id: string;
  readonly state: TaskState | null;
}

/** How many requests one enqueue takes. */
export const MAX_ENQUEUE_BATCH = 1000;

/**
 * At how many characters of messages a batch of several tasks is full, so that a thousand large ones are not in memory
 * at once, nor in one command: 16 million.
 */
export const ENQUEUE_BATCH_LENGTH = 16_000_000;

export interface Producer {
  /** All or nothing per call of at most 1 000; the receipts are in the order of the requests. */
  enqueue(requests: readonly EnqueueRequest[]): Promise<EnqueueReceipt[]>;
  /** Cancels tasks in whatever state: waiting ones at once, running ones by flag and push. */
  cancel(ids: readonly string[]): Promise<CancelReceipt[]>;
  /** The record of a task; null where none is kept. */
  record(id: string): Promise<TaskRecord | null>;
}

/** A look for a task that has no record, where it stands. */
export interface Looked {
  /** What its message says, and where it is. */
  readonly record: TaskRecord | null;
  /** How many waiting tasks were looked at where there were more; null: all of them. */
  readonly gaveUpAfter: number | null;
}

/** Looks for a task that waits or runs without a record, in the queues that the broker was opened with; bounded. */
export type LookFor = (id: string) => Promise<Looked>;
