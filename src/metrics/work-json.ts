/**
 * What one executor has counted of its work since it booted, as its heartbeats tell it: by queue and type how attempts
 * ended, by type how long they ran and waited, by queue how long tasks waited. The counts only grow, so that whoever
 * reads two beats knows what came between. Names come in the order in which they were first seen, as many as there is
 * room for; buckets without a zero at their end.
 */
import type { Ended, LastMinute } from "./last-minute.ts";
import { OUTCOME, type PairCounts, type TaskSeries } from "./task-series.ts";

/** How much of a heartbeat it may take, in bytes. */
export const MOST_WORK_BYTES = 12 * 1_024;

export interface WorkJson {
  /** By their names. */
  readonly types: Readonly<Record<string, TypeWork>>;
  /** The name of the queue, that of the type, and how many attempts had each outcome: `OUTCOME` has their order. */
  readonly pairs: readonly Pair[];
  /** By their names: into which buckets the waits of their tasks fell. */
  readonly queues: Readonly<Record<string, readonly number[]>>;
  /** How much is left out for want of room; absent: nothing. */
  readonly left_out?: number | undefined;
}

export type Pair = readonly [queue: string, type: string, outcomes: readonly number[]];

export interface TypeWork {
  readonly running: number;
  /** How many attempts were done in the last minute, and how many failed. */
  readonly minute: readonly [done: number, failed: number];
  readonly ran: readonly number[];
  readonly waited: readonly number[];
}

/** @param running - how many attempts of each type there are now. @param at - on the clock of `lastMinute`. */
export function workJson(
  tasks: TaskSeries,
  running: ReadonlyMap<string, number>,
  lastMinute: LastMinute,
  at: number,
): WorkJson {
  let room = MOST_WORK_BYTES;
  let leftOut = 0;
  const fits = (...told: unknown[]): boolean => {
    const bytes = Buffer.byteLength(JSON.stringify(told));
    if (bytes > room) {
      leftOut++;
      return false;
    }
    room -= bytes;
    return true;
  };
  const queues: [string, readonly number[]][] = [];
  for (const { queue, waited } of tasks.queues()) {
    const told = trimmed(waited);
    if (told.length > 0 && fits(queue, told)) queues.push([queue, told]);
  }
  const counted = new Map([...tasks.types()].map(({ type, ...counts }) => [type, counts]));
  const byType = Map.groupBy(tasks.pairs(), ({ type }) => type);
  const pairs: Pair[] = [];
  const types: [string, TypeWork][] = [];
  // A type that runs for the first time has no counts yet.
  for (const type of new Set([...byType.keys(), ...running.keys()])) {
    const now = running.get(type) ?? 0;
    const own = (byType.get(type) ?? []).filter(({ outcomes }) => outcomes.some((count) => count > 0));
    if (now === 0 && own.length === 0) continue;
    const told = own.map(({ queue, outcomes }): Pair => [queue, type, trimmed(outcomes)]);
    const { ran = [], waited = [] } = counted.get(type) ?? {};
    const minute = lastMinute.of(type, at, endedIn(own));
    const work = { running: now, minute, ran: trimmed(ran), waited: trimmed(waited) };
    if (!fits(type, work, told)) continue;
    types.push([type, work]);
    pairs.push(...told);
  }
  // From entries, so that a name like __proto__ is a key as any other.
  const json = { types: Object.fromEntries(types), pairs, queues: Object.fromEntries(queues) };
  return leftOut === 0 ? json : { ...json, left_out: leftOut };
}

/** Of one type, over its queues. */
export function endedIn(pairs: readonly Pick<PairCounts, "outcomes">[]): Ended {
  let [done, failed] = [0, 0];
  for (const { outcomes } of pairs) {
    done += outcomes[OUTCOME.done] ?? 0;
    failed += failedOf(outcomes);
  }
  return [done, failed];
}

/** Attempts that failed: tried again, or dead. */
function failedOf(outcomes: readonly number[]): number {
  return (outcomes[OUTCOME.retry] ?? 0) + (outcomes[OUTCOME.dead] ?? 0);
}

function trimmed(counts: ArrayLike<number>): number[] {
  let length = counts.length;
  while (length > 0 && counts[length - 1] === 0) length--;
  return Array.from({ length }, (_, at) => counts[at] ?? 0);
}
