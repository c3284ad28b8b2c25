/** What a runner may ask on nobody's behalf: what `connect()` without an address means in its handlers. */
import type { EnqueuedTask } from "../../handlers/define-task.ts";

/** A step of a lock. */
export interface HoldStep {
  readonly step: "take" | "renew" | "free";
  readonly name: string;
  readonly owner: string;
  readonly ttlMs: number;
}

export interface Door {
  /**
   * Enqueues all of them or none; none of them has a parent.
   *
   * @param waitMs - for so long a broker that is away is waited for.
   * @throws (rejects) InvalidTaskError; RefusedEnqueueError; what the broker throws.
   */
  enqueue(tasks: readonly unknown[], waitMs: number): Promise<readonly EnqueuedTask[]>;
  /** The record of a task; null where none is kept. */
  task(id: string): Promise<unknown>;
  /** In which state each one was. */
  cancel(ids: readonly string[]): Promise<readonly unknown[]>;
  /** One step of a lock that whoever asks keeps: as the broker answers it. */
  hold(step: HoldStep): Promise<unknown>;
}
