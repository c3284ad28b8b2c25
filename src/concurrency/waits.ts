// The waits that are not tied to a resource: sleeping, taking turns, and waiting for a promise of somebody else.
// Promises that each tests its signal first and then fails as soon as it aborts, with the signal's reason, and that
// none leaves a listener or a timer behind.

import { checkDuration } from "./durations.ts";
import { isPlainPromise } from "./functions.ts";
import { clockOf } from "./scope-node.ts";
import { turn } from "./turn.ts";

/**
 * Waits for a time, on the clock of the tree the signal belongs to. While it waits the process stays alive.
 *
 * @param ms - >= 0. 0 is a {@link checkpoint}, `Infinity` is {@link sleepForever}.
 * @throws (rejects) the signal's reason; RangeError for a duration that is negative or NaN.
 * @example
 * ```ts
 * import { openRoot, sleep, systemClock } from "taskexe/concurrency";
 *
 * const before = systemClock.now();
 * await sleep(2, openRoot().signal);
 * console.log(systemClock.now() - before >= 2); // true
 * ```
 */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  checkDuration(ms, "sleep");
  if (ms === 0) return checkpoint(signal);
  if (ms === Infinity) return sleepForever(signal);
  const clock = clockOf(signal);
  return untilAbort<void>(signal, (resolve) => clock.schedule(clock.now() + ms, resolve));
}

/**
 * Waits until the signal aborts, and fails then. Does not by itself keep the process alive.
 *
 * @throws (rejects) the signal's reason.
 * @example
 * ```ts
 * import { moveOnAfter, openRoot, sleepForever } from "taskexe/concurrency";
 *
 * const outcome = await moveOnAfter(openRoot(), 1, (scope) => sleepForever(scope.signal));
 * console.log(outcome.cancelled); // true
 * ```
 */
export function sleepForever(signal: AbortSignal): Promise<never> {
  if (signal.aborted) return Promise.reject(signal.reason);
  // Only the abort ends it, so there is nothing to clean up: lean, as thousands of these may be cancelled at once.
  return new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), once);
  });
}

/**
 * Tests the signal, lets the event loop turn once, and tests the signal again. For long computations, so that they
 * can be cancelled and others get their turn.
 *
 * @throws (rejects) the signal's reason.
 * @example
 * ```ts
 * import { checkpoint, openRoot } from "taskexe/concurrency";
 *
 * const { signal } = openRoot();
 * let sum = 0;
 * for (let i = 0; i < 100_000; i++) {
 *   sum += i;
 *   if (i % 50_000 === 0) await checkpoint(signal);
 * }
 * console.log(sum); // 4_999_950_000
 * ```
 */
export async function checkpoint(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await turn();
  signal.throwIfAborted();
}

/**
 * Waits for a promise that knows nothing of signals, and stops waiting when the signal aborts. What the promise stands
 * for goes on; its result, an error too, is then dropped. However long it lives, it keeps nothing of a wait that ended.
 *
 * @returns the promise's value.
 * @throws (rejects) the promise's error; the signal's reason.
 * @example
 * ```ts
 * import { abortable, moveOnAfter, openRoot } from "taskexe/concurrency";
 *
 * const never = new Promise<string>(() => {});
 * const outcome = await moveOnAfter(openRoot(), 1, (scope) => abortable(never, scope.signal));
 * console.log(outcome.cancelled); // true
 * ```
 */
export async function abortable<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  // Anything else with a `then` is asked once: it may begin its work then, or call back at once.
  const settling = isPlainPromise(promise) ? promise : new Promise<T>((resolve) => resolve(promise));
  const watch = watchOf(settling);
  return untilAbort<T>(signal, (resolve, reject) => {
    const onSettled = () => {
      settling.then(resolve, reject);
    };
    if (watch.settled) {
      onSettled();
      return () => {};
    }
    watch.waiters.add(onSettled);
    return () => watch.waiters.delete(onSettled);
  });
}

/**
 * A promise that fails when the signal aborts, or has already, unless it was settled before. Settling it, either way,
 * takes the listener away; `begin` must not settle it before it has returned what takes away the rest.
 */
function untilAbort<T>(
  signal: AbortSignal,
  begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => unknown,
): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => {
      cleanUp();
      reject(signal.reason);
    };
    const cleanUp = begin(
      (value) => {
        end();
        resolve(value);
      },
      (error) => {
        end();
        reject(error);
      },
    );
    const end = () => {
      signal.removeEventListener("abort", onAbort);
      cleanUp();
    };
    signal.addEventListener("abort", onAbort, once);
  });
}

/** Shared, as it is the same for every wait. */
const once = { once: true };

/** The waits for one promise, behind a single reaction: a reaction can never be taken back, a waiter can. */
interface Watch {
  settled: boolean;
  readonly waiters: Set<() => void>;
}

const watches = new WeakMap<Promise<unknown>, Watch>();

function watchOf(promise: Promise<unknown>): Watch {
  const known = watches.get(promise);
  if (known !== undefined) return known;
  const watch: Watch = { settled: false, waiters: new Set() };
  watches.set(promise, watch);
  const settle = () => {
    watch.settled = true;
    for (const wake of watch.waiters) wake();
    watch.waiters.clear();
  };
  promise.then(settle, settle);
  return watch;
}
