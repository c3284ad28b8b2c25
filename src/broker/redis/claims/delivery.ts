/** A claimed stream entry, and the lease it is held under. */
import type { Delivery } from "../../broker.ts";
import type { Arrival } from "../../contract/consumer.ts";
import type { LeaseStamp } from "../../lease-stamp.ts";
import { GROUP, MESSAGE_FIELD, recordKey } from "../keys.ts";

export class RedisDelivery implements Delivery {
  readonly queue: string;
  readonly priority: number;
  readonly stream: string;
  readonly entry: string;
  readonly raw: string | null;
  readonly problem: string | null;
  readonly deliveries: number;
  readonly mayBeCancelled: boolean;
  readonly mayBeHeld: boolean;
  lease: LeaseStamp;
  arrival: Arrival | undefined = undefined;

  constructor(from: {
    readonly queue: string;
    readonly priority: number;
    readonly stream: string;
    readonly entry: string;
    readonly fields: unknown;
    readonly deliveries: number;
    readonly mayBeCancelled: boolean;
    readonly mayBeHeld: boolean;
    readonly lease: LeaseStamp;
  }) {
    this.queue = from.queue;
    this.priority = from.priority;
    this.stream = from.stream;
    this.entry = from.entry;
    this.deliveries = from.deliveries;
    this.mayBeCancelled = from.mayBeCancelled;
    this.mayBeHeld = from.mayBeHeld;
    this.lease = from.lease;
    this.raw = messageOf(from.fields);
    this.problem = this.raw === null ? problemOf(from.fields) : null;
  }

  get handle(): string {
    return `${this.stream}|${this.entry}`;
  }

  get queuedAt(): number {
    return Number(this.entry.slice(0, this.entry.indexOf("-")));
  }
}

/** @throws TypeError for a delivery that another broker gave. */
export function ownDelivery(delivery: Delivery): RedisDelivery {
  if (delivery instanceof RedisDelivery) return delivery;
  throw new TypeError("the delivery was not claimed from this broker");
}

/** The deliveries of each stream, in their order. @throws TypeError for a delivery that another broker gave. */
export function byStream(deliveries: readonly Delivery[]): Map<string, RedisDelivery[]> {
  return Map.groupBy(deliveries.map(ownDelivery), ({ stream }) => stream);
}

/** The message of an entry that holds nothing else; null for any other. */
function messageOf(fields: unknown): string | null {
  if (!Array.isArray(fields) || fields.length !== 2) return null;
  const [name, value]: unknown[] = fields;
  return name === MESSAGE_FIELD && typeof value === "string" ? value : null;
}

function problemOf(fields: unknown): string {
  if (!Array.isArray(fields)) return "the stream entry has no fields";
  const names = fields.filter((_, index) => index % 2 === 0).map((name) => `"${String(name).slice(0, 40)}"`);
  const found = `${names.length} field(s), ${names.slice(0, 5).join(", ")}`;
  return `the stream entry has ${found}; expected exactly one, "${MESSAGE_FIELD}" (group ${GROUP})`;
}

/** The record that must learn the entry's new id; "" where there can be none. */
export function recordKeyOf(delivery: RedisDelivery): string {
  const id = idOf(delivery);
  return id === null ? "" : recordKey(id);
}

/** The id in its message; null where that cannot be read. */
export function idOf(delivery: RedisDelivery): string | null {
  if (delivery.raw === null) return null;
  try {
    const fields: unknown = JSON.parse(delivery.raw);
    if (typeof fields === "object" && fields !== null && "id" in fields && typeof fields.id === "string") {
      return fields.id;
    }
  } catch {
    // Not JSON: such a message never had a record.
  }
  return null;
}
