/**
 * The queues that people see: those that a program was opened with, then all others that are known, the latest used
 * ones of them. Each with how many executors serve it, as they say in their heartbeats: none, where it was left behind.
 */
import type { Broker, FleetMember } from "../broker/broker.ts";
import type { PauseTarget } from "../broker/contract/admin.ts";
import { type QueueJson, queueViews } from "./views/queue-view.ts";
import { livingOf } from "./watch/waiting.ts";

/** How many queues are counted beside those of the program. */
const MOST_OTHERS = 100;

/** The part of a broker that this needs. */
export type QueuesBroker = Pick<Broker, "counts" | "fleet" | "now" | "otherQueues" | "paused">;

export interface SeenQueues {
  readonly queues: readonly QueueJson[];
  /** How many of them are those of the program; they are the first ones. */
  readonly own: number;
  /** How many more are known. */
  readonly leftOut: number;
  readonly fleet: readonly FleetMember[];
  /** All that is paused. */
  readonly paused: readonly PauseTarget[];
}

/** Counts them all. */
export async function seenQueues(broker: QueuesBroker): Promise<SeenQueues> {
  const own = await broker.counts();
  const others = await broker.otherQueues(MOST_OTHERS);
  const counts = others.names.length === 0 ? own : [...own, ...(await broker.counts(others.names.toSorted()))];
  const [paused, fleet] = [await broker.paused(), await broker.fleet()];
  const views = queueViews(counts, paused, executorsOf(fleet, broker.now()));
  return { queues: views, own: own.length, leftOut: others.count - others.names.length, fleet, paused };
}

/** How many living executors serve a queue; null: none says so, and some do not tell what they serve. */
function executorsOf(fleet: readonly FleetMember[], now: number): (queue: string) => number | null {
  const living = livingOf(fleet, now);
  const doAllTell = living.every(({ queues }) => queues !== null);
  return (queue) => {
    const serving = living.filter(({ queues }) => queues?.includes(queue)).length;
    return serving > 0 || doAllTell ? serving : null;
  };
}
