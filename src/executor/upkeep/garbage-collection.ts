/**
 * Keeps resident memory flat. JavaScriptCore's small collections leave what was in flight until the next whole one, and
 * under a steady load of short tasks it makes that after some 600 000 of them: by then a quarter more memory is taken
 * than after the last. So it is asked for one earlier. It takes 15 ms where little lives, and in proportion to what
 * lives; a big heap is left to the collector's own measure. What only the start needed is given back as soon as there
 * is a moment when nothing runs, and what much work needed once it rests.
 */
import { sleep } from "../../concurrency/index.ts";
import { runtime } from "../../runtime/index.ts";

/** After so many attempts. */
export const COLLECT_AFTER = 200_000;
/** Above this resident memory, in bytes, whole collections are the collector's own business. */
export const COLLECT_BELOW = 256 * 1024 * 1024;
const LOOK_MS = 1_000;
/** Memory is given back after so many attempts, once nothing has run for so many looks (5 s). */
export const WORTH_GIVING_BACK = 500;
const LOOKS_AT_REST = 5;

export interface CollectionParts {
  /** How many attempts have ended by now. */
  readonly attempts: () => number;
  /** How many attempts run. */
  readonly running: () => number;
  readonly rssBytes: () => number;
  readonly collect: () => void;
  /** Gives back what is not needed at rest. */
  readonly giveBack: () => void;
}

/** That of this process. */
export function collectionOf(
  tally: { readonly attempts: number },
  running: { readonly size: number },
): CollectionParts {
  return {
    attempts: () => tally.attempts,
    running: () => running.size,
    rssBytes: () => runtime.memory().rssBytes,
    collect: () => runtime.collectGarbage(),
    giveBack: () => runtime.giveBackMemory(),
  };
}

/** Collects where it is due, until the signal aborts. */
export async function collectNowAndThen(parts: CollectionParts, signal: AbortSignal): Promise<never> {
  let last = parts.attempts();
  let seen = last;
  let givenBackAt: number | null = null;
  let looksAtRest = 0;
  for (;;) {
    await sleep(LOOK_MS, signal);
    const now = parts.attempts();
    const isAtRest = parts.running() === 0;
    looksAtRest = isAtRest && now === seen ? looksAtRest + 1 : 0;
    seen = now;
    const isWorthIt = givenBackAt !== null && now - givenBackAt >= WORTH_GIVING_BACK;
    if (isAtRest && (givenBackAt === null || (isWorthIt && looksAtRest >= LOOKS_AT_REST))) {
      givenBackAt = now;
      parts.giveBack();
    }
    if (now - last < COLLECT_AFTER) continue;
    last = now;
    if (parts.rssBytes() < COLLECT_BELOW) parts.collect();
  }
}
