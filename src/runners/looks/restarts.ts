/** Why runners are gone that another one takes the place of, counted for metrics. One that was idle is not missed. */
import type { Runner } from "../runner.ts";

/**
 * `crash`: it ended by itself; `killed`: we had to end it; `memory`, `tasks`: it had too much of one of them; `reload`:
 * its handlers were loaded anew.
 */
export type RestartReason = "crash" | "killed" | "memory" | "tasks" | "reload";

export type RestartCounts = Record<RestartReason, number>;

export const NO_RESTARTS: Readonly<RestartCounts> = Object.freeze({
  crash: 0,
  killed: 0,
  memory: 0,
  tasks: 0,
  reload: 0,
});

/** @param isReloaded - a later generation is in charge. */
export function countRestart(counts: RestartCounts, runner: Runner, isReloaded: boolean): void {
  const reason = reasonOf(runner, isReloaded);
  if (reason !== null) counts[reason]++;
}

function reasonOf(runner: Runner, isReloaded: boolean): RestartReason | null {
  if (runner.killedFor !== null) return "killed";
  const replaced = REPLACED.get(runner);
  if (replaced !== undefined) return replaced;
  if (runner.stoppedAt === null) return "crash";
  return isReloaded ? "reload" : null;
}

/** It has had too much of this, and is to leave. */
export function noteReplaced(runner: Runner, why: "memory" | "tasks"): void {
  REPLACED.set(runner, why);
}

const REPLACED = new WeakMap<Runner, "memory" | "tasks">();
