/**
 * The three steps of leaving: claim no more; wait for what runs, as long as the grace; then cancel the rest, so that
 * it is handed back for others to take at once. What ignores even that is left behind by its nursery, by name.
 */
import { getLogger } from "@logtape/logtape";
import { type CancelScope, Latch, moveOnAfter } from "../../concurrency/index.ts";
import type { RunningAttempts } from "../attempt/running-attempts.ts";

const logger = getLogger(["taskexe", "executor"]);

export class Drain {
  readonly #running: Pick<RunningAttempts, "size" | typeof Symbol.iterator>;
  readonly #requested = new Latch();
  #ended = new Latch();

  constructor(running: Pick<RunningAttempts, "size" | typeof Symbol.iterator>) {
    this.#running = running;
  }

  /** Asks for it; asking again changes nothing. */
  request(reason: string): void {
    if (!this.isRequested) logger.info("Draining: {reason}", { reason });
    this.#requested.set();
  }

  get isRequested(): boolean {
    return this.#requested.isSet;
  }

  /** Waits until it is asked for. */
  wait(signal: AbortSignal): Promise<void> {
    return this.#requested.wait(signal);
  }

  /** Told whenever an attempt has ended, and its outcome was handed on. */
  attemptEnded(): void {
    this.#ended.set();
  }

  /** Waits for the running attempts as long as the grace, then cancels those that are left. */
  async finishOrHandBack(scope: CancelScope, graceMs: number): Promise<void> {
    const waited = await moveOnAfter(scope, graceMs, ({ signal }) => this.#quiet(signal));
    if (!waited.cancelled) return;
    const count = this.#running.size;
    logger.warn("{count} task(s) did not end within the grace of {graceMs} ms: handing them back", { count, graceMs });
    for (const attempt of this.#running) attempt.end("hand-back", "the executor is leaving");
    await this.#quiet(scope.signal);
  }

  /** Waits until no attempt runs. */
  async #quiet(signal: AbortSignal): Promise<void> {
    while (this.#running.size > 0) {
      if (this.#ended.isSet) this.#ended = new Latch();
      await this.#ended.wait(signal);
    }
  }
}
