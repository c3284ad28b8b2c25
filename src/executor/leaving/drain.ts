/**
 * The three steps of leaving: claim no more; wait for what runs, as long as the grace; then cancel the rest, so that
 * it is handed back for others to take at once. Who ignores even that is left behind by its nursery, by name.
 */
import { getLogger } from "@logtape/logtape";
import { type CancelScope, Latch, moveOnAfter } from "../../concurrency/index.ts";
import type { RunningTasks } from "../attempt/running.ts";

const logger = getLogger(["taskexe", "executor"]);

export class Drain {
  readonly #requested = new Latch();
  #reason: string | null = null;

  /** Asks for the drain; the first reason stays. */
  request(reason: string): void {
    this.#reason ??= reason;
    this.#requested.set();
  }

  get reason(): string | null {
    return this.#reason;
  }

  get isRequested(): boolean {
    return this.#requested.isSet;
  }

  wait(signal: AbortSignal): Promise<void> {
    return this.#requested.wait(signal);
  }
}

/**
 * Waits for the running tasks as long as the grace, then cancels those that are left.
 *
 * @param quiet - set by the caller once nothing runs any more.
 */
export async function finishOrHandBack(
  scope: CancelScope,
  running: RunningTasks,
  quiet: (signal: AbortSignal) => Promise<void>,
  graceMs: number,
): Promise<void> {
  const waited = await moveOnAfter(scope, graceMs, (inner) => quiet(inner.signal));
  if (!waited.cancelled) return;
  logger.warn("{count} task(s) did not end within the grace of {graceMs} ms: handing them back", {
    count: running.size,
    graceMs,
  });
  for (const task of running) task.end("hand-back", "the executor is leaving");
  await quiet(scope.signal);
}
