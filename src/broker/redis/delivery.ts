/**
 * A claimed stream entry, and the lease it is held under. A lease is counted from before the command was sent, on two
 * clocks: the monotonic one (it stands still while a machine sleeps) and the wall clock (it can jump). It is fresh
 * only while both say so; everything else goes the slow way, where Redis itself is asked who owns the entry.
 */
import type { Delivery } from "../broker.ts";
import { GROUP, MESSAGE_FIELD } from "./keys.ts";

/** When a lease was last known to be ours. Shared by all entries of one claim or renewal. */
export interface LeaseStamp {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function stampLease(): LeaseStamp {
  return { monotonicMs: performance.now(), wallMs: Date.now() };
}

/** The lease of what was ended or handed back: never fresh, so that Redis is asked should it be ended once more. */
export const GIVEN_UP: LeaseStamp = { monotonicMs: Number.NEGATIVE_INFINITY, wallMs: Number.NEGATIVE_INFINITY };

/** How old a stamp is in ms, by whichever clock says more. */
export function stampAge(stamp: LeaseStamp, now: LeaseStamp): number {
  return Math.max(now.monotonicMs - stamp.monotonicMs, now.wallMs - stamp.wallMs);
}

export class RedisDelivery implements Delivery {
  readonly queue: string;
  readonly priority: number;
  readonly stream: string;
  readonly entry: string;
  readonly raw: string | null;
  readonly problem: string | null;
  readonly deliveries: number;
  readonly mayBeCancelled: boolean;
  lease: LeaseStamp;

  constructor(from: {
    readonly queue: string;
    readonly priority: number;
    readonly stream: string;
    readonly entry: string;
    readonly fields: unknown;
    readonly deliveries: number;
    readonly mayBeCancelled: boolean;
    readonly lease: LeaseStamp;
  }) {
    this.queue = from.queue;
    this.priority = from.priority;
    this.stream = from.stream;
    this.entry = from.entry;
    this.deliveries = from.deliveries;
    this.mayBeCancelled = from.mayBeCancelled;
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

/** The message of an entry that holds nothing else; null for any other. */
function messageOf(fields: unknown): string | null {
  if (!Array.isArray(fields) || fields.length !== 2) return null;
  const [name, value]: unknown[] = fields;
  return name === MESSAGE_FIELD && typeof value === "string" ? value : null;
}

function problemOf(fields: unknown): string {
  if (!Array.isArray(fields)) return "the stream entry has no fields";
  const names = fields.filter((_, index) => index % 2 === 0).map((name) => `"${String(name).slice(0, 40)}"`);
  return `the stream entry has ${names.length} field(s), ${names.slice(0, 5).join(", ")}; expected exactly one, "${MESSAGE_FIELD}" (group ${GROUP})`;
}
