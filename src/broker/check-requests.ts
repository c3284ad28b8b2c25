/** What no broker takes: checked before anything is written, so that nothing of the batch is enqueued then. */
import { isDuration, MAX_DURATION_MS } from "../task/limits.ts";
import { type EnqueueRequest, MAX_ENQUEUE_BATCH } from "./broker.ts";

/** @throws RangeError for a batch that is too long, or a request with a number that cannot be; it names both. */
export function checkRequests(requests: readonly EnqueueRequest[], priorities: number): void {
  if (requests.length > MAX_ENQUEUE_BATCH) {
    throw new RangeError(`enqueue takes at most ${MAX_ENQUEUE_BATCH} tasks a call, got ${requests.length}`);
  }
  for (const { id, priority, retentionMs, delayMs = 0, unique } of requests) {
    if (!Number.isInteger(priority) || priority < 0 || priority >= priorities) {
      throw new RangeError(
        `the priority of task "${id}" must be an integer from 0 to ${priorities - 1}, got ${priority}`,
      );
    }
    if (!isDuration(retentionMs) || !isDuration(delayMs)) {
      throw new RangeError(
        `retention and delay of task "${id}" must be 0 to ${MAX_DURATION_MS} ms, got ${retentionMs} and ${delayMs}`,
      );
    }
    if (unique !== undefined && unique.ttlMs !== null && !(isDuration(unique.ttlMs) && unique.ttlMs > 0)) {
      throw new RangeError(
        `the unique key of task "${id}" must be held for more than 0 ms, at most ${MAX_DURATION_MS}, got ` +
          `${unique.ttlMs}`,
      );
    }
  }
}
