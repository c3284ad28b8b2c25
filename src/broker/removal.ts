/** The removal of what is over, as both brokers have it: how much is kept, and how it goes on step by step. */
import type { BrokerOptions, Removal } from "./broker.ts";

/** How many records a queue keeps of each kind, 0: any number; and how long dead tasks are kept, in ms. */
export type KeepingRules = Required<
  Pick<BrokerOptions, "doneLimit" | "cancelledLimit" | "deadLimit" | "deadRetentionMs">
>;

const DAY_MS = 24 * 3_600_000;

/** How many steps one clean-up takes at the most. */
const MOST_STEPS = 50;

export function keepingRules(options: BrokerOptions): KeepingRules {
  const { doneLimit = 100_000, cancelledLimit = 100_000, deadLimit = 10_000 } = options;
  return { doneLimit, cancelledLimit, deadLimit, deadRetentionMs: options.deadRetentionMs ?? 30 * DAY_MS };
}

/** Steps until there is no more, or many were taken; gives how many records are gone. */
export async function removeSome(step: () => Promise<Removal>): Promise<number> {
  let all = 0;
  for (let steps = 0; steps < MOST_STEPS; steps += 1) {
    const { removed, more } = await step();
    all += removed;
    if (!more) break;
  }
  return all;
}
