/**
 * Waiting for a time, or for an abort, whichever comes first. Leaves no timer and no listener behind.
 */

/** The longest delay that setTimeout takes, in ms (about 24.8 days); a longer one fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Resolves after `ms` milliseconds: from 0 to any length, Infinity included.
 * Rejects with the reason of `signal` as soon as it aborts, and with a RangeError when `ms` is negative or NaN.
 */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!(ms >= 0)) throw new RangeError(`sleep takes 0 or more milliseconds, not ${ms}`);
    signal?.throwIfAborted();

    let leftMs = ms;
    let timer: ReturnType<typeof setTimeout>;
    const wait = () => {
      const stepMs = Math.min(leftMs, LONGEST_TIMER_MS);
      leftMs -= stepMs;
      timer = setTimeout(leftMs > 0 ? wait : finish, stepMs);
    };
    const finish = () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    };
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    wait();
  });
}
