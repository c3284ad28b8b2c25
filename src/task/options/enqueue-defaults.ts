/**
 * What a definition says of the tasks that are enqueued by it: where they go and when they run. Whoever enqueues can
 * say other. How a task runs (attempts, backoff, timeout) is not here: its executor looks that up when it runs.
 */
import type { EnqueueOptions, Unique } from "./enqueue-options.ts";

/** The defaults of one type, as `defineTask` takes them. */
export interface EnqueueDefaults {
  /** Default `common`. */
  readonly queue?: string | undefined;
  /** 0 is ordinary (the default), larger is more urgent. */
  readonly priority?: number | undefined;
  /** Wait this long before it is queued, in ms. */
  readonly delayMs?: number | undefined;
  /** So long after it was enqueued it must have ended, in ms. */
  readonly deadlineMs?: number | undefined;
  /** Enqueue it only where no other task holds the key. */
  readonly unique?: Unique | undefined;
}

/**
 * The options of one task: what was said of it, then what its definition says.
 *
 * @param now - the broker's clock, Unix ms.
 */
export function withDefaults(
  options: EnqueueOptions,
  { queue, priority, delayMs, deadlineMs, unique }: EnqueueDefaults,
  now: number,
): EnqueueOptions {
  return {
    ...options,
    queue: options.queue ?? queue,
    priority: options.priority ?? priority,
    delayMs: options.delayMs ?? (options.at === undefined ? delayMs : undefined),
    deadlineAt: options.deadlineAt ?? (deadlineMs === undefined ? undefined : now + deadlineMs),
    unique: options.unique === undefined ? unique : options.unique,
  };
}
