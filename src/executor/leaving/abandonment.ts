/**
 * When tasks that ignore their cancel have cost too much: too many of them, or every slot for too long. The executor
 * then leaves, so that a fresh process can take its place.
 */
import { sleep } from "../../concurrency/index.ts";
import type { RunningAttempts } from "../attempt/running-attempts.ts";

/** Too many tasks ignored their cancel: the executor has left so that a fresh process can take its place. */
export class TooManyAbandonedError extends Error {
  override readonly name = "TooManyAbandonedError";
}

export interface AbandonmentLimits {
  /** How many there may be. */
  readonly count: number;
  readonly slots: number;
  /** How long they may hold every slot, in ms; default 30 000. */
  readonly fullMs?: number;
}

const FULL_MS = 30_000;
const LOOK_MS = 500;

export class Abandonment {
  readonly #running: Pick<RunningAttempts, "abandonedCount">;
  /** They may change. */
  limits: AbandonmentLimits;
  readonly #giveUp: (error: TooManyAbandonedError) => void;
  #given = false;

  /** @param giveUp - told once, when it is too much. */
  constructor(
    running: Pick<RunningAttempts, "abandonedCount">,
    limits: AbandonmentLimits,
    giveUp: (error: TooManyAbandonedError) => void,
  ) {
    this.#running = running;
    this.limits = limits;
    this.#giveUp = giveUp;
  }

  /** Whether no slot is left: nothing can be run until one of them ends. */
  get isFull(): boolean {
    return this.#running.abandonedCount >= this.limits.slots;
  }

  /** One more was abandoned. */
  counted(): void {
    const { count } = this.limits;
    const { abandonedCount } = this.#running;
    if (abandonedCount > count) this.#end(`${abandonedCount} tasks ignore their cancel (limit ${count})`);
  }

  /** Watches the slots until the signal aborts. */
  async run(signal: AbortSignal): Promise<never> {
    let since: number | null = null;
    for (;;) {
      const { slots, fullMs = FULL_MS } = this.limits;
      if (!this.isFull) since = null;
      else if (since === null) since = performance.now();
      else if (performance.now() - since >= fullMs) {
        this.#end(`tasks that ignore their cancel have held all ${slots} slots for ${Math.round(fullMs / 1_000)} s`);
      }
      await sleep(LOOK_MS, signal);
    }
  }

  #end(what: string): void {
    if (this.#given) return;
    this.#given = true;
    this.#giveUp(new TooManyAbandonedError(`${what}: the executor leaves so that a fresh one can start`));
  }
}
