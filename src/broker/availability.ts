/**
 * The one policy for a broker that is away or refuses. What works for the fleet waits and goes on, however long it
 * takes (`untilAvailable`, `ifAvailable`); what somebody waits for is given up after a while, with the reason
 * (`untilAnswered`, `openWithin`). Between two tries the pauses grow, and begin anew once the broker has answered.
 */
import { type CancelScope, moveOnAfter, sleep } from "../concurrency/index.ts";
import { type Broker, BrokerRefusedError, BrokerUnavailableError } from "./broker.ts";

/** Between two tries, in ms: the first pause, and the longest; each is twice the one before. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;

/** How long an answer is waited for while the broker is away, in ms, where somebody waits for it. */
export const ANSWER_LIMIT_MS = 30_000;

/** The pauses of one loop. */
export class Pauses {
  #nextMs = FIRST_PAUSE_MS;

  /** Waits before the next try. @throws (rejects) the signal's reason. */
  async wait(signal: AbortSignal): Promise<void> {
    const pauseMs = this.#nextMs;
    this.#nextMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    await sleep(pauseMs, signal);
  }

  /** The broker has answered: the next trouble begins with a short pause again. */
  answered(): void {
    this.#nextMs = FIRST_PAUSE_MS;
  }
}

/**
 * Runs `action`; while the broker is away, waits and runs it again.
 *
 * @param failed - called after each try that found the broker away.
 * @throws (rejects) the signal's reason once it aborts; every error that is not a BrokerUnavailableError.
 */
export async function untilAvailable<T>(
  action: () => Promise<T>,
  signal: AbortSignal,
  failed: () => void = nothing,
): Promise<T> {
  let pauses: Pauses | null = null;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof BrokerUnavailableError)) throw error;
    }
    failed();
    pauses ??= new Pauses();
    await pauses.wait(signal);
  }
}

/** Runs `action` once; tells whether the broker was there. @throws (rejects) any other error. */
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

/**
 * Asks for somebody who waits; while the broker is away, asks again, for {@link ANSWER_LIMIT_MS} at the most.
 *
 * @param ask - told whether it was asked before: what was asked then may have happened, and only its answer was lost.
 * @param troubled - called once, when the first try has found the broker away.
 * @throws (rejects) BrokerUnavailableError, or BrokerRefusedError, where that went on; every other error of `ask`; the
 *   cancel of `scope`.
 */
export async function untilAnswered<T>(
  broker: Pick<Broker, "url" | "connection">,
  scope: CancelScope,
  ask: (again: boolean) => Promise<T>,
  troubled: () => void = nothing,
): Promise<T> {
  let again = false;
  const failed = (): void => {
    if (!again) troubled();
    again = true;
  };
  const answer = await moveOnAfter(scope, ANSWER_LIMIT_MS, ({ signal }) =>
    untilAvailable(() => ask(again), signal, failed),
  );
  if (!answer.cancelled) return answer.value;
  const { state, lastError } = broker.connection();
  const reason = `for ${ANSWER_LIMIT_MS / 1000} s: ${lastError ?? "it does not answer"}`;
  if (state === "refusing") throw new BrokerRefusedError(`the broker ${broker.url} went on refusing ${reason}`);
  throw new BrokerUnavailableError(`the broker ${broker.url} stayed away ${reason}`);
}

/**
 * Opens the broker for somebody who waits.
 *
 * @param limitMs - how long that may take.
 * @throws (rejects) BrokerUnavailableError where nobody answers in time; what else the opening throws; the cancel of
 *   `scope`.
 */
export async function openWithin(
  broker: Pick<Broker, "url" | "connection" | "open">,
  scope: CancelScope,
  limitMs: number,
): Promise<void> {
  const opened = await moveOnAfter(scope, limitMs, ({ signal }) => broker.open(signal));
  if (!opened.cancelled) return;
  const limit = limitMs >= 1_000 ? `${limitMs / 1_000} s` : `${limitMs} ms`;
  const reason = broker.connection().lastError ?? `no answer within ${limit}`;
  throw new BrokerUnavailableError(`the broker ${broker.url} cannot be reached: ${reason}`);
}

function nothing(): void {}
