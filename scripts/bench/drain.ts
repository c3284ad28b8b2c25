/**
 * Times how a queue is emptied, seen from outside: a third process polls the queue itself every 10 ms, the same for
 * every side, so no side is asked for its own figures. More often would cost what is measured: at 5 ms the fastest side
 * lost 5 % to it on two cores.
 *
 * An executor runs for weeks, its first seconds are another thing: the compilers of a runtime work on the second core
 * then, for 1.5 s of CPU time on Bun. So the clock starts when the first part of the tasks is done, for every side the
 * same part; the rate over all of them, the start included, is told beside it. The clock stops at the first poll that
 * sees nothing left, which counts against the side.
 */
import { runtime } from "../../src/runtime/index.ts";
import { cpuMs, memoryOf } from "./proc.ts";
import type { Running } from "./processes.ts";

const POLL_MS = 10;

/** Which part of the tasks is done before the clock starts. */
export const WARM_UP = 0.3;

/** The queue as one poll sees it. */
export interface QueueSight {
  /** Something was taken: the consumer has begun. */
  readonly claimed: boolean;
  /** How many tasks wait or are in progress. */
  readonly left: number;
}

export interface Drained {
  /** How many tasks were done while the clock ran. */
  readonly tasks: number;
  readonly seconds: number;
  /** Tasks a second over all of them, from the last poll that saw nothing claimed. */
  readonly coldRate: number;
  /** CPU time of each watched process between start and stop, in ms. */
  readonly cpuMs: Readonly<Record<string, number>>;
  /** Resident memory of the consumer at the stop; NaN when it had ended by itself. */
  readonly rssBytes: number;
}

/**
 * Waits until the queue of so many tasks is empty. Throws when that takes longer than `limitMs`, or when the consumer
 * ends with the queue not empty.
 */
export async function timeDrain(
  look: () => Promise<QueueSight>,
  count: number,
  consumer: Running,
  others: Readonly<Record<string, number>>,
  limitMs: number,
): Promise<Drained> {
  let gone = false;
  const ended = consumer.finished.then(() => {
    gone = true;
  });
  const pids = { ...others, consumer: consumer.pid };
  const began = performance.now();
  let claimedAt = began;
  let isClaimed = false;
  let start: { readonly at: number; readonly cpu: Record<string, number>; readonly left: number } | undefined;
  while (performance.now() - began < limitMs) {
    // Asked before the look: a consumer that ends in between has emptied its queue, if it did, before the look.
    const wasGone = gone;
    const { claimed, left } = await look();
    const at = performance.now();
    const cpu = cpuOf(pids);
    isClaimed ||= claimed || left === 0;
    if (!isClaimed) claimedAt = at;
    if (left <= count * (1 - WARM_UP)) start ??= { at, cpu, left };
    if (start !== undefined && left === 0) {
      const spent = Object.entries(cpu).map(([name, ms]) => [name, ms - (start?.cpu[name] ?? 0)]);
      return {
        tasks: start.left,
        seconds: (at - start.at) / 1000,
        coldRate: (count * 1000) / (at - claimedAt),
        cpuMs: Object.fromEntries(spent),
        rssBytes: gone ? Number.NaN : memoryOf(consumer.pid).rssBytes,
      };
    }
    if (wasGone) {
      await ended;
      throw new Error(`the consumer ended before the queue was empty:\n${consumer.stderr().slice(-2000)}`);
    }
    await runtime.sleep(POLL_MS);
  }
  throw new Error(`the queue was not empty after ${limitMs} ms:\n${consumer.stderr().slice(-2000)}`);
}

function cpuOf(pids: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, cpuOrNaN(pid)]));
}

function cpuOrNaN(pid: number): number {
  try {
    return cpuMs(pid);
  } catch {
    return Number.NaN; // it has ended
  }
}
