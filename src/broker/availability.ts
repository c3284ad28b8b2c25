/** How the executor's loops bear a broker that is away: they wait and go on, and say so once. */

import { sleep } from "../concurrency/index.ts";
import { BrokerUnavailableError } from "./broker.ts";

/** Between two tries while the broker is away, in ms. */
const RETRY_MS = 200;

/**
 * Runs `action`; while the broker is away, waits and runs it again.
 *
 * @throws the signal's reason once it aborts; every error that is not a BrokerUnavailableError.
 */
export async function untilAvailable<T>(action: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof BrokerUnavailableError)) throw error;
    }
    await sleep(RETRY_MS, signal);
  }
}

/** Runs `action` once; tells whether the broker was there. */
export async function ifAvailable(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    if (error instanceof BrokerUnavailableError) return false;
    throw error;
  }
}

/** Runs `action` for ever, `pauseMs()` apart; a broker that is away only means another turn. */
export async function repeat(
  action: () => Promise<unknown>,
  pauseMs: () => number,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    await ifAvailable(action);
    await sleep(pauseMs(), signal);
  }
}
