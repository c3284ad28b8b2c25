/**
 * Keeps the leases of everything that is claimed: each is renewed before half of it is over. A task whose lease is
 * lost to another executor is stopped here, and its outcome is dropped; one that still waits for its slot never starts.
 */
import { getLogger } from "@logtape/logtape";
import { untilAvailable } from "../../broker/availability.ts";
import type { Broker, Delivery } from "../../broker/broker.ts";
import { sleep } from "../../concurrency/index.ts";
import type { RunningAttempts } from "../attempt/running-attempts.ts";

const logger = getLogger(["taskexe", "executor"]);

/**
 * Renews every third of the lease, until the signal aborts.
 *
 * @param held - what is claimed and not running: not begun, ended and not recorded, or about to be handed back.
 * @param forget - is told of each of those whose lease is lost.
 */
export async function keepLeases(
  broker: Broker,
  running: RunningAttempts,
  held: () => Iterable<Delivery>,
  forget: (delivery: Delivery) => void,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    // Only what is there when the round begins has lived through this pause: short tasks never come here.
    const renew = () => broker.renew([...running.deliveries(), ...held()]);
    for (const delivery of await untilAvailable(renew, signal)) drop(delivery, running, forget);
    await sleep(broker.leaseMs / 3, signal);
  }
}

function drop(delivery: Delivery, running: RunningAttempts, forget: (delivery: Delivery) => void): void {
  const task = running.withHandle(delivery.handle);
  if (task === undefined) forget(delivery);
  if (task === undefined || task.stop !== null) return;
  logger.warn("The lease of {id} was lost to another executor; this attempt is stopped", { id: task.message?.id });
  task.end("lost", "the lease was lost");
}
