/**
 * How a run is stopped: it is told to first. After the grace a run that has its runner for itself gets SIGTERM, with
 * all that it started, and SIGKILL a second later. A shared runner is killed only where it stands still; where it
 * answers, the run is given up, and the runner gets nothing new. A type that ignores its cancel twice runs alone from
 * then on.
 */
import { getLogger } from "@logtape/logtape";
import { systemClock } from "../concurrency/index.ts";
import type { Run } from "./run.ts";
import type { Runner } from "./runner.ts";

const logger = getLogger(["taskexe", "runners"]);

/** Between SIGTERM and SIGKILL, in ms; and for so long a shared runner may be silent before it is killed. */
const LAST_CHANCE_MS = 1_000;
/** The grace of those whose executor has lost them, or leaves, in ms. */
const SHORT_GRACE_MS = 2_000;
/** From so many ignored cancels on a type runs alone. */
const DEAF_AFTER = 2;
/** So many types are counted. */
const MOST_TYPES = 1_000;

/**
 * Whether its runner stood still for over half of its time, and others had begun beside it. A suspect is not asked: so
 * this happens to a task once.
 */
function isHeldUp(run: Run, runner: Runner): boolean {
  if (!run.hasBegun || run.attempt.suspect !== null || runner.begun < 2) return false;
  return runner.silence.stillMs - run.stillBefore > (performance.now() - run.begunAt) / 2;
}

export class Escalation {
  readonly #ignored = new Map<string, number>();

  isDeaf(type: string): boolean {
    return (this.#ignored.get(type) ?? 0) >= DEAF_AFTER;
  }

  begin(run: Run, runner: Runner): void {
    run.cancelledAt = performance.now();
    run.reason = run.attempt.cancelReason;
    const { graceMs } = run.attempt;
    const isShort = run.reason === "lost" || run.reason === "drain";
    const ms = isShort ? Math.min(graceMs, SHORT_GRACE_MS) : graceMs;
    if (run.reason === "timeout" && isHeldUp(run, runner)) run.heldUpBy = runner.begun - 1;
    runner.cancel(run, ms);
    this.#after(ms, run, () => this.#graceIsOver(run, runner));
  }

  #graceIsOver(run: Run, runner: Runner): void {
    if (!run.hasBegun) {
      runner.abandon(run);
      return;
    }
    if (runner.silence.isExcused) {
      this.#after(LAST_CHANCE_MS, run, () => this.#graceIsOver(run, runner));
      return;
    }
    this.#count(run);
    if (runner.size === 1) this.#terminate(run, runner);
    else if (runner.silence.pinged()) {
      runner.asks.ping();
      this.#after(LAST_CHANCE_MS, run, () => this.#answered(run, runner));
    } else {
      this.#after(Math.max(0, LAST_CHANCE_MS - runner.silence.silentMs), run, () => this.#answered(run, runner));
    }
  }

  /** It has the runner for itself. */
  #terminate(run: Run, runner: Runner): void {
    const why = `it ignored its cancel (${run.reason})`;
    runner.kill("SIGTERM", why);
    this.#after(LAST_CHANCE_MS, run, () => runner.kill("SIGKILL", why));
  }

  #answered(run: Run, runner: Runner): void {
    const { id, type } = run.attempt;
    if (runner.silence.silentMs >= LAST_CHANCE_MS * 0.9) {
      runner.kill("SIGKILL", `it stood still, and ${type} ${id} in it ignored its cancel (${run.reason})`);
      return;
    }
    logger.error("{type} {id} ignores its cancel in runner {pid}: it is given up, and the runner gets nothing new", {
      ...{ type, id, pid: runner.process.pid },
    });
    runner.isRetired = true;
    runner.abandon(run);
    runner.owner.changed(runner);
  }

  #count({ attempt: { type } }: Run): void {
    const count = (this.#ignored.get(type) ?? 0) + 1;
    if (this.#ignored.size >= MOST_TYPES && count === 1) return;
    this.#ignored.set(type, count);
    if (count === DEAF_AFTER) {
      logger.warn("{type} has ignored its cancel twice: from now on each of its attempts has a runner of its own", {
        type,
      });
    }
  }

  /** Once so many ms are over, unless the run has ended by then. */
  #after(ms: number, run: Run, then: () => void): void {
    run.disarm = systemClock.schedule(systemClock.now() + ms, () => {
      if (!run.hasEnded) then();
    });
  }
}
