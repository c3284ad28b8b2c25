/** What may be changed of a task that waits, and what came of it. */
import type { TaskState } from "../../task/state.ts";

/** A change to one task that is scheduled, queued or retrying. What is absent stays. */
export interface TaskEdit {
  readonly id: string;
  /** JSON text in the place of its payload. Its unique key stays, also one that was made of the payload before. */
  readonly payload?: string;
  /** As in EnqueueRequest. In the line of the other priority it is the last. */
  readonly priority?: number;
  /** In how many ms, on the broker's clock, it is to be queued; 0: at once, which changes nothing of a queued one. */
  readonly delayMs?: number;
}

/**
 * `state` is what it was in; null: no record of it is kept. `edited`: whether anything was changed. `refused`: why a
 * task that waits was left as it is, where its state does not tell.
 */
export interface EditReceipt {
  readonly id: string;
  readonly state: TaskState | null;
  readonly edited: boolean;
  readonly refused?: string;
}
