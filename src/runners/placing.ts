/** Which runner a run is handed over to, among those that there are. */
import type { Run } from "./run.ts";
import type { Runner } from "./runner.ts";
import type { RunnerKind } from "./runner-kind.ts";

/**
 * The shared runner that answers and has the most room; undefined: none has any. Nothing is handed ahead to one whose
 * runs take long.
 */
export function roomyRunner(runners: Iterable<Runner>, { concurrency, ahead }: RunnerKind): Runner | undefined {
  let best: Runner | undefined;
  for (const runner of runners) {
    if (!runner.isShared || runner.isRetired || !runner.isReady || runner.silence.isBlocked) continue;
    const most = Math.min(concurrency, runner.concurrency);
    if (runner.size >= most && !takesAhead(runner, most, ahead)) continue;
    if (best === undefined || runner.size < best.size) best = runner;
  }
  return best;
}

/** Whether more is handed ahead to one that is full. @param most - how many it runs at once. */
function takesAhead({ size, unbegun, isSlow, pace }: Runner, most: number, least: number): boolean {
  if (least === 0 || isSlow) return false;
  const more = pace.ahead(least);
  return size < most + more && unbegun < Math.max(2 * most, more) && pace.fills(unbegun, more);
}

/**
 * Runs that may have no company, or little: each joins a runner where it is no more than each run there allows, or has
 * an empty one; where only a fresh runner tells whether it is guilty, one in which nothing has run.
 *
 * @param free - those that are ready, and are not shared.
 * @returns those for which there is none.
 */
export function placeApart(runs: Run[], free: readonly Runner[], give: (runner: Runner, run: Run) => void): Run[] {
  const hasRoom = (): boolean => free.some(({ size, bound }) => size < bound);
  const left: Run[] = [];
  for (const [at, run] of runs.entries()) {
    // Most often all are busy: then nothing is asked for each run that waits.
    if (!hasRoom()) return at === 0 ? runs : [...left, ...runs.slice(at)];
    const runner =
      free.find(({ size, bound }) => size > 0 && size < Math.min(bound, run.company + 1)) ??
      free.find(({ size, done }) => size === 0 && (done === 0 || !run.wantsFresh));
    if (runner === undefined) {
      left.push(run);
      continue;
    }
    runner.bound = runner.size === 0 ? run.company + 1 : Math.min(runner.bound, run.company + 1);
    give(runner, run);
  }
  return left;
}

/** Where there may be no further runner, idle ones that have run something make room for so many fresh ones. */
export function wornRunners(free: readonly Runner[], count: number): readonly Runner[] {
  return free.filter(({ size, done }) => size === 0 && done > 0).slice(0, Math.max(0, count));
}

/** One that answers a question soon; undefined: there is none. */
export function idleRunner(runners: Iterable<Runner>): Runner | undefined {
  const ready = [...runners].filter(({ isRetired, silence }) => !isRetired && !silence.isBlocked);
  return ready.find(({ size }) => size === 0) ?? ready.find(({ isShared }) => isShared);
}
