/** A task that an executor holds, with the fence that proves it. */
import type { Delivery } from "../../broker.ts";
import type { Arrival } from "../../contract/consumer.ts";
import type { LeaseStamp } from "../../lease-stamp.ts";
import type { Entry } from "../store/entry.ts";
import type { MemoryStore } from "../store/store.ts";

export class MemoryDelivery implements Delivery {
  readonly entry: Entry;
  readonly token: number;
  readonly queue: string;
  readonly priority: number;
  readonly handle: string;
  readonly raw: string;
  readonly problem = null;
  readonly deliveries: number;
  readonly queuedAt: number | null;
  readonly mayBeCancelled: boolean;
  lease: LeaseStamp;
  arrival: Arrival | undefined = undefined;

  constructor(entry: Entry, mayBeCancelled: boolean, lease: LeaseStamp) {
    this.entry = entry;
    this.token = entry.token;
    this.queue = entry.queue;
    this.priority = entry.priority;
    this.handle = handleOf(entry);
    this.raw = entry.message;
    this.deliveries = entry.deliveries;
    this.queuedAt = entry.queuedAt;
    this.mayBeCancelled = mayBeCancelled;
    this.lease = lease;
  }

  /** @throws TypeError for a delivery that no memory broker made. */
  static of(delivery: Delivery): MemoryDelivery {
    if (delivery instanceof MemoryDelivery) return delivery;
    throw new TypeError(`the delivery "${delivery.handle}" does not come from this broker`);
  }

  /** The task while it is still ours; null: the lease is lost. */
  held(store: MemoryStore): Entry | null {
    const { entry, token } = this;
    return store.tasks.get(entry.id) === entry && entry.state === "running" && entry.token === token ? entry : null;
  }
}

export function handleOf({ seq, token }: Entry): string {
  return `${seq}-${token}`;
}
