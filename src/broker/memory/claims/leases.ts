/** Ownership: renewed, given back, taken over once its time has passed, and found again after a start. */

import { MOVES } from "../../../task/state.ts";
import type { Delivery } from "../../broker.ts";
import { type LeaseStamp, stampLease } from "../../lease-stamp.ts";
import type { Entry } from "../store/entry.ts";
import type { MemoryStore } from "../store/store.ts";
import { type Claimant, deliveryOf, isPaused, ownership } from "./claims.ts";
import { handleOf, MemoryDelivery } from "./delivery.ts";

/** Gives those that are lost. */
export function renew(store: MemoryStore, leaseMs: number, deliveries: readonly Delivery[]): Delivery[] {
  const lease = stampLease();
  return deliveries.filter((delivery) => {
    const own = MemoryDelivery.of(delivery);
    const entry = own.held(store);
    if (entry === null) return true;
    entry.leaseUntil = store.now() + leaseMs;
    own.lease = lease;
    return false;
  });
}

/** Back to its place in the line; false where it is not ours any more. */
export function releaseOne(store: MemoryStore, delivery: Delivery): boolean {
  const entry = MemoryDelivery.of(delivery).held(store);
  if (entry === null) return false;
  const { deliveries, attempt } = entry;
  store.move(entry, MOVES.release.to, { ...NOBODY, deliveries: deliveries - 1, attempt: attempt - 1 });
  return true;
}

const NOBODY = { token: 0, owner: null };

export function release(store: MemoryStore, deliveries: readonly Delivery[]): void {
  const released = deliveries.filter((delivery) => releaseOne(store, delivery));
  if (released.length > 0) store.ring();
}

/** What is held under the executor's own name and not known to it. */
export function recover(store: MemoryStore, claimant: Claimant, known: ReadonlySet<string>, max: number): Delivery[] {
  const own = runningIn(store, store.queues.keys()).filter(
    (entry) => entry.owner === claimant.executor && !known.has(handleOf(entry)),
  );
  return takeOver(store, claimant, own.slice(0, max));
}

/** Expired leases of others, those that are over for longest first. */
export function reclaim(store: MemoryStore, claimant: Claimant, max: number): Delivery[] {
  const now = store.now();
  const expired = runningIn(store, claimant.queues)
    .filter(({ leaseUntil, owner }) => leaseUntil <= now && owner !== claimant.executor)
    .sort((a, b) => a.leaseUntil - b.leaseUntil);
  return takeOver(store, claimant, expired.slice(0, max));
}

function runningIn(store: MemoryStore, queues: Iterable<string>): Entry[] {
  return [...queues].flatMap((queue) => [...(store.queues.get(queue)?.of("running") ?? [])]);
}

/** Whoever held them died or stalled over them. What is paused goes back to its place. */
function takeOver(store: MemoryStore, claimant: Claimant, entries: readonly Entry[]): Delivery[] {
  const lease: LeaseStamp = stampLease();
  const taken: Entry[] = [];
  for (const entry of entries) {
    if (isPaused(store, entry)) {
      store.move(entry, MOVES.release.to, { ...NOBODY, attempt: entry.attempt - 1 });
      continue;
    }
    Object.assign(entry, ownership(store, claimant), { deliveries: entry.deliveries + 1 });
    taken.push(entry);
  }
  taken.sort((a, b) => b.priority - a.priority || a.place - b.place);
  return taken.map((entry) => deliveryOf(store, entry, lease));
}
