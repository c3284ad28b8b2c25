/**
 * The heartbeats: the first at once, then one every 30 s whatever the tasks do, the last on leaving. Each registers
 * the executor again. Between them one a second at most where what they tell has changed, each in the place of the one
 * before: the series keeps one every 30 s, in its small form. What they tell is made in beat-json.ts.
 */

import { untilAvailable } from "../../broker/availability.ts";
import { type CapacityLimiter, sleep } from "../../concurrency/index.ts";
import { isoWithOffset } from "../../task/times/iso-time.ts";
import { beatJson, type HeartbeatParts } from "./beat-json.ts";
import type { Identity } from "./name-conflict.ts";

/** So long after a beat the next one may follow that is not due, in ms. */
const CHANGED_MS = 1_000;

/**
 * Beats once; one that is not due gives way to the next, and of one that is due only the small form stays.
 *
 * @param isSmall - names no task: for a broker that does not take the whole.
 */
export async function beat(parts: HeartbeatParts, isDue = true, isSmall = false): Promise<void> {
  const { whole, small } = await beatJson(parts);
  const order = await parts.broker.beat(isSmall ? small : whole, isDue, small);
  parts.orders?.take(order, identityOf(parts));
}

/** The same as long as a beat would tell the same of our own. */
function changesOf({ running, tally, isLeaving, orders, concurrency }: HeartbeatParts): string {
  const { dead, cancelled, retried, lost, done } = tally;
  const ours = [running.begun, running.size, running.slots, done, dead, cancelled, retried, lost, isLeaving?.()];
  return [...ours, orders?.last, concurrency].join(" ");
}

/**
 * Beats until the signal aborts; one that fails is tried again until the broker is back.
 *
 * @param everyMs - when a beat is due, however little has changed.
 * @param mayBeat - asked before each: false leaves it out.
 * @param turn - held while a beat is under way; whoever leaves takes it for good, and none comes after that.
 */
export async function keepBeating(
  parts: HeartbeatParts,
  everyMs: number,
  mayBeat: () => Promise<boolean>,
  turn: CapacityLimiter,
  signal: AbortSignal,
): Promise<never> {
  // As of the first beat, which was sent before: nothing ran then, and nothing does yet.
  let told = changesOf(parts);
  let dueAt = performance.now() + everyMs;
  for (;;) {
    const leftMs = Math.max(dueAt - performance.now(), 0);
    const restMs = Math.min(leftMs, CHANGED_MS);
    const isOrdered =
      parts.orders === undefined ? await sleep(restMs, signal) : await parts.orders.rest(restMs, signal);
    const isDue = performance.now() >= dueAt;
    const changes = changesOf(parts);
    if (!isDue && isOrdered !== true && changes === told) continue;
    let isSmall = false;
    await untilAvailable(async () => {
      await turn.withPermit(signal, async () => {
        if (!(await mayBeat())) return;
        try {
          await beat(parts, isDue, isSmall);
        } catch (error) {
          // An executor that lives must not be expelled for a beat that the broker does not take: in turn, since it may
          // be away.
          isSmall = !isSmall;
          throw error;
        }
      });
    }, signal);
    told = changes;
    if (isDue) dueAt = performance.now() + everyMs;
  }
}

/** Who beats. */
export function identityOf({ name, bootAt, ipAddress }: HeartbeatParts): Identity {
  return { name, pid: process.pid, bootAt: isoWithOffset(bootAt), ipAddress };
}
