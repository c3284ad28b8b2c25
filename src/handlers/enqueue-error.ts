/** What a handler's `enqueue` is refused with, beside a task that is none. */

/** So many enqueues of handlers may wait for their answers at once: in one executor, and in one runner. */
export const MOST_OPEN_ASKS = 10_000;

/** The attempt has ended or has lost its lease, or too many enqueues wait for their answers. Nothing is enqueued. */
export class RefusedEnqueueError extends Error {
  override readonly name = "RefusedEnqueueError";
}
