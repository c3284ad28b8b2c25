/**
 * Whether this machine's wall clock is stepped during the soak (a virtual machine that is moved or put right): what was
 * stamped before and after a step cannot be compared to the millisecond.
 */
import { sleep } from "../../src/concurrency/index.ts";

const LOOK_MS = 50;
/** What counts as a step, in ms: a clock that is slewed moves less than a thousandth of the time. */
const STEP_MS = 5;

export class ClockWatch {
  /** The largest step so far, in ms, whichever way it went. */
  largestStepMs = 0;

  /** Looks until the signal aborts. */
  async run(signal: AbortSignal): Promise<never> {
    let before = wallLessMonotonic();
    for (;;) {
      await sleep(LOOK_MS, signal);
      const now = wallLessMonotonic();
      const stepMs = Math.abs(now - before);
      before = now;
      if (stepMs > STEP_MS) this.largestStepMs = Math.max(this.largestStepMs, stepMs);
    }
  }
}

/** In ms; the nearest of a few readings, since this process may be held up between the two clocks. */
function wallLessMonotonic(): number {
  const readings = Array.from({ length: 3 }, () => {
    const before = performance.now();
    const wall = Date.now();
    const after = performance.now();
    return { tookMs: after - before, parted: wall - (before + after) / 2 };
  });
  return readings.reduce((best, next) => (next.tookMs < best.tookMs ? next : best)).parted;
}
