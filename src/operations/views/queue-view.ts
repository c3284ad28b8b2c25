/** The JSON form of a queue: how many of its tasks are in each state, whether it is paused, who serves it. */
import * as v from "valibot";
import type { QueueCounts } from "../../broker/broker.ts";
import type { PauseTarget } from "../../broker/contract/admin.ts";

export const QueueView = v.object({
  name: v.string(),
  queued: v.number(),
  running: v.number(),
  scheduled: v.number(),
  dead: v.number(),
  done: v.number(),
  cancelled: v.number(),
  paused: v.boolean(),
  /** How many living executors serve it; null: some do not tell. */
  executors: v.nullable(v.number()),
});

export type QueueJson = v.InferOutput<typeof QueueView>;

/** @param targets - all that is paused. @param executorsOf - how many executors serve a queue. */
export function queueViews(
  counts: readonly QueueCounts[],
  targets: readonly PauseTarget[],
  executorsOf: (queue: string) => number | null,
): QueueJson[] {
  const paused = new Set(targets.filter(({ kind }) => kind === "queue").map(({ name }) => name));
  return counts.map((count) => ({ ...count, paused: paused.has(count.name), executors: executorsOf(count.name) }));
}
