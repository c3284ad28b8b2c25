/**
 * A task that we hold, with the fence that proves it: (seq, token) matches a row only while the lease is ours.
 */
import type { SqlValue } from "../../../runtime/index.ts";
import type { Delivery } from "../../broker.ts";
import type { Arrival } from "../../contract/consumer.ts";
import type { LeaseStamp } from "../../lease-stamp.ts";
import { NO_TOKEN } from "../file/schema.ts";
import { numberOf, textOf } from "../records/rows.ts";

/** What a claim must return of a task. */
export const DELIVERY_COLUMNS = "seq, token, id, queue, priority, place, deliveries, queued_at, message";

export class SqliteDelivery implements Delivery {
  readonly seq: number;
  readonly token: number;
  readonly id: string;
  readonly queue: string;
  readonly priority: number;
  readonly place: number;
  readonly handle: string;
  readonly raw: string;
  readonly problem = null;
  readonly deliveries: number;
  readonly queuedAt: number | null;
  readonly mayBeCancelled: boolean;
  lease: LeaseStamp;
  arrival: Arrival | undefined = undefined;

  constructor(row: Record<string, SqlValue>, mayBeCancelled: boolean, lease: LeaseStamp) {
    this.seq = numberOf(row, "seq");
    this.token = numberOf(row, "token");
    this.id = textOf(row, "id");
    this.queue = textOf(row, "queue");
    this.priority = numberOf(row, "priority");
    this.place = numberOf(row, "place");
    this.handle = `${this.seq}-${this.token}`;
    this.raw = textOf(row, "message");
    this.deliveries = numberOf(row, "deliveries");
    this.queuedAt = typeof row.queued_at === "number" ? row.queued_at : null;
    this.mayBeCancelled = mayBeCancelled;
    this.lease = lease;
  }

  /** @throws TypeError for a delivery that no SQLite broker made. */
  static of(delivery: Delivery): SqliteDelivery {
    if (delivery instanceof SqliteDelivery) return delivery;
    throw new TypeError(`the delivery "${delivery.handle}" does not come from this broker`);
  }
}

/** Urgent first, then by their place in line. */
export function inOrder(deliveries: SqliteDelivery[]): SqliteDelivery[] {
  return deliveries.sort((a, b) => b.priority - a.priority || a.place - b.place);
}

/** A fence that nobody meets again: 46 random bits, and always 6 bytes long in the file. */
export function newToken(): number {
  return NO_TOKEN + 1 + Math.floor(Math.random() * (NO_TOKEN - 1));
}
