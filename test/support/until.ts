/**
 * Waiting for what other processes do: a condition is asked again and again until it holds or its time is over.
 * The bound is there so that a test which fails says what it waited for.
 */

import { setTimeout as pause } from "node:timers/promises";

const EVERY_MS = 20;

/**
 * Asks until the answer is neither false, null nor undefined, and gives that answer. An error counts as "not yet".
 * Once more after the time is over: what was waited for may have come while this process itself was held up.
 *
 * @param what - what is waited for; stands in the error when it does not come.
 * @param withinMs - how long it may take at most, in ms.
 */
export async function until<T>(
  what: string,
  withinMs: number,
  ask: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  const begun = performance.now();
  let last: unknown;
  while (true) {
    const isLast = performance.now() - begun > withinMs;
    try {
      const answer = await ask();
      if (isThere(answer)) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (isLast) {
      throw new Error(`waited ${withinMs} ms in vain until ${what}; the last answer was ${describe(last)}`);
    }
    await pause(EVERY_MS);
  }
}

/** What `until` takes for an answer. */
export function isThere<T>(answer: T): answer is Exclude<T, false | null | undefined> {
  return answer !== false && answer !== null && answer !== undefined;
}

function describe(last: unknown): string {
  return last instanceof Error ? `${last.name}: ${last.message}` : String(last);
}
