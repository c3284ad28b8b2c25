/** When a failed attempt is tried again: the delay of each attempt, with full jitter, and the errors that say it. */
import { MAX_DURATION_MS } from "../limits.ts";
import type { Backoff } from "./run-options.ts";

/** Thrown by a handler: the task is dead at once, whatever attempts are left. */
export class DoNotRetryError extends Error {
  override readonly name: string = "DoNotRetryError";
}

/** Thrown by a handler: try again, but not before `delayMs` ms (0 to 100 years) have passed. */
export class RetryLaterError extends Error {
  override readonly name: string = "RetryLaterError";
  readonly delayMs: number;

  constructor(delayMs: number, message = `retry in ${delayMs} ms`, options?: ErrorOptions) {
    if (!isDelay(delayMs)) throw new RangeError(`the delay must be 0 to ${MAX_DURATION_MS} ms, got ${delayMs}`);
    super(message, options);
    this.delayMs = delayMs;
  }
}

/** Tells whether a handler may ask for a delay of so many ms. */
export function isDelay(ms: unknown): ms is number {
  return typeof ms === "number" && ms >= 0 && ms <= MAX_DURATION_MS;
}

/**
 * How long to wait after a failed attempt, in ms. Exponential backoff doubles with each attempt up to `max_ms` and has
 * full jitter: any time between 0 and that is as likely, so that tasks which failed together do not come back together.
 *
 * @param attempt - the attempt that failed, from 1.
 * @param random - gives 0 <= x < 1.
 */
export function backoffDelay(backoff: Backoff, attempt: number, random: () => number = Math.random): number {
  const most = backoff.max_ms ?? MAX_DURATION_MS;
  if (backoff.kind === "fixed") return Math.min(backoff.delay_ms, most);
  const ceiling = Math.min(backoff.delay_ms * 2 ** Math.min(attempt - 1, 40), most);
  return Math.round(ceiling * random());
}
