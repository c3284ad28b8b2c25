/**
 * Times how a queue is emptied, seen from outside: a third process polls the queue itself every 10 ms, the same for
 * every side, so no side is asked for its own figures. More often would cost what is measured: at 5 ms the fastest side
 * lost 5 % to it on two cores. Both errors of the polling count against the side: the clock
 * starts at the last poll that saw nothing claimed, and stops at the first that sees nothing left.
 */
import { runtime } from "../../src/runtime/index.ts";
import { cpuMs, memoryOf } from "./proc.ts";
import type { Running } from "./processes.ts";

const POLL_MS = 10;

/** The queue as one poll sees it. */
export interface QueueSight {
  /** Something was taken: the consumer has begun. */
  readonly claimed: boolean;
  /** Nothing waits and nothing is in progress. */
  readonly empty: boolean;
}

export interface Drained {
  readonly seconds: number;
  /** CPU time of each watched process between start and stop, in ms. */
  readonly cpuMs: Readonly<Record<string, number>>;
  /** Resident memory of the consumer at the stop; NaN when it had ended by itself. */
  readonly rssBytes: number;
}

/**
 * Waits until the queue is empty. Throws when that takes longer than `limitMs`, or when the consumer ends with the
 * queue not empty.
 */
export async function timeDrain(
  look: () => Promise<QueueSight>,
  consumer: Running,
  others: Readonly<Record<string, number>>,
  limitMs: number,
): Promise<Drained> {
  let gone = false;
  const ended = consumer.finished.then(() => {
    gone = true;
  });
  const pids = { ...others, consumer: consumer.pid };
  let last = { at: performance.now(), cpu: cpuOf(pids) };
  const began = last.at;
  let start: typeof last | undefined;
  while (performance.now() - began < limitMs) {
    // Asked before the look: a consumer that ends in between has emptied its queue, if it did, before the look.
    const wasGone = gone;
    const { claimed, empty } = await look();
    const now = { at: performance.now(), cpu: cpuOf(pids) };
    if (claimed || empty) start ??= last;
    if (start !== undefined && empty) {
      const spent = Object.entries(now.cpu).map(([name, ms]) => [name, ms - (start?.cpu[name] ?? 0)]);
      const rssBytes = gone ? Number.NaN : memoryOf(consumer.pid).rssBytes;
      return { seconds: (now.at - start.at) / 1000, cpuMs: Object.fromEntries(spent), rssBytes };
    }
    if (wasGone) {
      await ended;
      throw new Error(`the consumer ended before the queue was empty:\n${consumer.stderr().slice(-2000)}`);
    }
    last = now;
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
