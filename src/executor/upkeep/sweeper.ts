/**
 * The fleet's housekeeping, done by every executor: takes over expired leases, and under the
 * clean-up lock (one cleaner at a time) expels dead executors. Taking over, and removing what is over, need no lock,
 * since each step is atomic in the broker: a cleaner that dies with the lock in hand must not hold them up.
 */
import { getLogger } from "@logtape/logtape";
import { ifAvailable, repeat } from "../../broker/availability.ts";
import type { Broker, CleanReport, Delivery, Vanished } from "../../broker/broker.ts";
import { checkpoint, sleep } from "../../concurrency/index.ts";

const logger = getLogger(["taskexe", "sweeper"]);

/** Between two looks for expired leases, in ms, with up to as much again at random, so that a fleet spreads out. */
const RECLAIM_MS = 800;
const RECLAIM_JITTER_MS = 400;
const AND_ARE_IN_NO_QUEUE =
  'are in no queue, since something was deleted in the broker; "taskexe retry ID" queues one: {ids}';

/** Between two looks for what is over, in ms, with up to as much again at random. */
const REMOVAL_MS = 700;
const REMOVAL_JITTER_MS = 400;

/** Between two clean-ups, in ms. */
const CLEAN_MS = 10_000;
const SHORTEST_PAUSE_MS = 5;

/**
 * Takes over expired leases as far as there is room.
 *
 * @param takeOrphans - makes room, has the look taken, starts what it brings; tells whether there may be more.
 */
export async function reclaimExpired(
  broker: Broker,
  takeOrphans: (look: (room: number) => Promise<readonly Delivery[]>, signal: AbortSignal) => Promise<boolean>,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    let more = false;
    await ifAvailable(async () => {
      more = await takeOrphans((room) => reclaim(broker, room), signal);
    });
    await sleep(more ? SHORTEST_PAUSE_MS : RECLAIM_MS + Math.random() * RECLAIM_JITTER_MS, signal);
  }
}

async function reclaim(broker: Broker, room: number): Promise<readonly Delivery[]> {
  const deliveries = await broker.reclaim(room);
  if (deliveries.length > 0) {
    logger.info("Took over {count} task(s) whose lease had expired", { count: deliveries.length });
  }
  return deliveries;
}

/**
 * Cleans up under the lock, if it can be had.
 *
 * @param seen - is told how many tasks say that they wait and are held by nothing.
 */
export function cleanUp(broker: Broker, seen: (vanished: Vanished) => void, signal: AbortSignal): Promise<never> {
  let told = 0;
  return repeat(
    async () => {
      if (!(await broker.lock())) return;
      const { removed, purged, dropped = [], vanished } = await cleanAndUnlock(broker);
      if (vanished) {
        seen(vanished);
        if (vanished.count > told)
          logger.warn(`{count} task(s) say that they wait and ${AND_ARE_IN_NO_QUEUE}`, { ...vanished });
        told = vanished.count;
      }
      if (removed.length > 0) logger.warn("Expelled {removed}: no heartbeat in time", { removed });
      if (dropped.length > 0) logger.info("Removed the queue(s) {dropped}: empty, and unused for a day", { dropped });
      if (purged > 0) logger.debug("Purged {purged} record(s)", { purged });
    },
    () => CLEAN_MS,
    signal,
  );
}

/**
 * Removes what is over as fast as it comes: step after step while there is more, else with a look about once a second.
 */
export async function removeEnded(broker: Pick<Broker, "removeEnded">, signal: AbortSignal): Promise<never> {
  for (;;) {
    let more = false;
    await ifAvailable(async () => {
      const step = await broker.removeEnded();
      more = step.more;
      if (step.removed > 0) logger.debug("Removed {count} record(s)", { count: step.removed });
    });
    await (more ? checkpoint(signal) : sleep(REMOVAL_MS + Math.random() * REMOVAL_JITTER_MS, signal));
  }
}

async function cleanAndUnlock(broker: Broker): Promise<CleanReport> {
  try {
    return await broker.clean();
  } finally {
    await ifAvailable(() => broker.unlock());
  }
}
