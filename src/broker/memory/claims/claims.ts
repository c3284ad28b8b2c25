/**
 * Out of the line: urgent first, then the oldest of all queues. What is paused, a queue or a type, is passed over and
 * keeps its place.
 */

import { Latch, systemClock } from "../../../concurrency/index.ts";
import { MOVES } from "../../../task/state.ts";
import { type LeaseStamp, stampLease } from "../../lease-stamp.ts";
import type { Entry } from "../store/entry.ts";
import { FIRST_PLACE } from "../store/sorted-list.ts";
import type { MemoryStore } from "../store/store.ts";
import { MemoryDelivery } from "./delivery.ts";

/** How long a claim waits for something to come, in ms. */
const CLAIM_WAITS_MS = 1_000;

/** Who claims, from where, and for how long. */
export interface Claimant {
  readonly executor: string;
  readonly queues: readonly string[];
  readonly leaseMs: number;
}

/** Takes what is there, without waiting for more. */
export function take(store: MemoryStore, claimant: Claimant, max: number): MemoryDelivery[] {
  const lease = stampLease();
  return firstInLine(store, claimant.queues, max).map((entry) => {
    store.move(entry, MOVES.claim.to, {
      ...ownership(store, claimant),
      deliveries: entry.deliveries + 1,
      attempt: entry.attempt + 1,
    });
    return deliveryOf(store, entry, lease);
  });
}

/**
 * Takes what is there; where nothing is, waits for something to come, for a second.
 *
 * @param open - the store, asked anew after each wait; it throws where the broker has been closed.
 */
export async function claim(
  open: () => MemoryStore,
  claimant: Claimant,
  max: number,
  signal: AbortSignal,
): Promise<MemoryDelivery[]> {
  const until = performance.now() + CLAIM_WAITS_MS;
  for (;;) {
    const store = open();
    const taken = take(store, claimant, max);
    const leftMs = until - performance.now();
    if (taken.length > 0 || leftMs <= 0) return taken;
    await nextRing(store, leftMs, signal);
  }
}

/** What a new owner writes down. */
export function ownership(store: MemoryStore, { executor, leaseMs }: Claimant) {
  const now = store.now();
  return { token: store.next(), owner: executor, leaseUntil: now + leaseMs, startedAt: now };
}

export function deliveryOf(store: MemoryStore, entry: Entry, lease: LeaseStamp): MemoryDelivery {
  return new MemoryDelivery(entry, store.flags.has(entry.id), lease);
}

export function isPaused(store: MemoryStore, { queue, type }: Pick<Entry, "queue" | "type">): boolean {
  return store.paused.queue.has(queue) || store.paused.type.has(type);
}

function firstInLine(store: MemoryStore, queues: readonly string[], max: number): Entry[] {
  const lines = queues
    .filter((queue) => !store.paused.queue.has(queue))
    .map((queue) => unpaused(store, queue))
    .map((line) => ({ line, next: line.next() }));
  const first: Entry[] = [];
  while (first.length < max) {
    let best: { line: (typeof lines)[number]; entry: Entry } | null = null;
    for (const line of lines) {
      if (line.next.done !== true && (best === null || isBefore(line.next.value, best.entry))) {
        best = { line, entry: line.next.value };
      }
    }
    if (best === null) break;
    first.push(best.entry);
    best.line.next = best.line.line.next();
  }
  return first;
}

function* unpaused(store: MemoryStore, queue: string): Generator<Entry, void> {
  const line = store.queues.get(queue)?.of("queued");
  if (line === undefined) return;
  for (const entry of line.behind(FIRST_PLACE)) if (!store.paused.type.has(entry.type)) yield entry;
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.priority > b.priority || (a.priority === b.priority && a.place < b.place);
}

/** Waits until something may have come, or so many ms are over. @throws (rejects) the signal's reason. */
async function nextRing(store: MemoryStore, ms: number, signal: AbortSignal): Promise<void> {
  const rung = new Latch();
  const untimed = systemClock.schedule(systemClock.now() + ms, () => rung.set());
  store.waiting.add(rung);
  try {
    await rung.wait(signal);
  } finally {
    untimed();
    store.waiting.delete(rung);
  }
}
