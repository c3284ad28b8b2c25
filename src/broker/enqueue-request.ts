/**
 * What a broker is given to enqueue, and what it answers. Part of the broker contract; schedules enqueue by it, too.
 */
import type { TaskState } from "../task/state.ts";

/** A task to enqueue. `message` is the JSON of src/task/message.ts and holds the same id and type. */
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
