/**
 * Looks after the runners of a pool: those that have work are pinged, one that stands still gets nothing new, and what
 * has not begun in it moves; what was handed ahead and waits for a long run is asked back where it could begin; one
 * that has had nothing to do for a minute leaves, and one that does not leave when it is told to is killed.
 */
import { getLogger } from "@logtape/logtape";
import { sleep } from "../../concurrency/index.ts";
import type { Run } from "../run.ts";
import type { Runner } from "../runner.ts";
import type { RunnerKind } from "../runner-kind.ts";

const logger = getLogger(["taskexe", "runners"]);

/** How often runners that have work are pinged, in ms. */
const PING_MS = 100;
/** A pause of our own this long says nothing about runners, in ms. */
const OUR_PAUSE_MS = 200;
const IDLE_MS = 60_000;
/** How long one may take to leave once it is told to and runs nothing, in ms. */
const LEAVE_MS = 5_000;

export interface WatchedPool {
  readonly kind: RunnerKind;
  readonly runners: readonly Runner[];
  /** Nothing is left of it. */
  readonly isGone: boolean;
  /** Takes runs that have begun nowhere, and places what can be placed now. */
  placeFirst(runs: readonly Run[]): void;
}

/** Until nothing is left of the pool. @throws (rejects) the cancel. */
export async function watchRunners(pool: WatchedPool, signal: AbortSignal): Promise<void> {
  let last = performance.now();
  while (!pool.isGone) {
    await sleep(PING_MS, signal);
    const now = performance.now();
    const isOurs = now - last > OUR_PAUSE_MS;
    last = now;
    const moved = pool.runners.flatMap((runner) =>
      runner.isReady && !runner.isGone ? look(runner, pool, isOurs, now) : [],
    );
    pool.placeFirst(moved);
  }
}

/**
 * @param isOurs - this process has stood still: the runner may have answered.
 * @returns what has not begun in one that stands still.
 */
function look(runner: Runner, pool: WatchedPool, isOurs: boolean, now: number): readonly Run[] {
  if (runner.size === 0) {
    lookAtIdle(runner, pool, now);
    return [];
  }
  askBack(runner, pool);
  if (runner.silence.pinged()) runner.asks.ping();
  if (isOurs || !runner.isShared || !runner.silence.becomesBlocked()) return [];
  const runs = runner.runs();
  const begun = runs.filter(({ hasBegun }) => hasBegun);
  const types = [...new Set(begun.map(({ attempt }) => attempt.type))].slice(0, 10).join(", ");
  logger.warn('runner {pid} of {kind} stands still: it runs {types}. What computes wants isolation: "own"', {
    ...{ pid: runner.process.pid, kind: pool.kind.name, types },
  });
  const moved = runs.filter(({ hasBegun, cancelledAt }) => !hasBegun && cancelledAt === null);
  for (const run of moved) runner.takeBack(run);
  return moved;
}

/** What was handed ahead to one that takes long, where another one has a place for it, or may start. */
function askBack(runner: Runner, { kind, runners }: WatchedPool): void {
  if (kind.ahead === 0 || !runner.isShared || runner.unbegun === 0 || !runner.isSlow) return;
  const shared = runners.filter(({ isShared, isRetired }) => isShared && !isRetired);
  const isFree = ({ size, concurrency, silence }: Runner): boolean =>
    size < Math.min(kind.concurrency, concurrency) && !silence.isBlocked;
  if (shared.length >= kind.processes && !shared.some(isFree)) return;
  for (const run of runner.runs()) {
    if (!run.hasBegun && !run.isAskedBack && run.cancelledAt === null) runner.askBack(run);
  }
}

function lookAtIdle(runner: Runner, { runners }: WatchedPool, now: number): void {
  const { stoppedAt } = runner;
  if (stoppedAt !== null && now - stoppedAt > LEAVE_MS) {
    runner.kill("SIGKILL", "it was told to leave, and did not");
  } else if (!runner.isRetired && now - runner.idleSince > IDLE_MS && isSpare(runner, runners)) {
    runner.stop();
  }
}

/** One shared runner stays. */
function isSpare(runner: Runner, runners: readonly Runner[]): boolean {
  if (!runner.isShared) return true;
  return runners.some((other) => other !== runner && other.isShared && !other.isRetired && other.isReady);
}
