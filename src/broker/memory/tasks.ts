/** Into the line: new tasks, those whose time has come, and those that are queued again by hand. */

import { isOpenTo, MOVES } from "../../task/state.ts";
import type { EnqueueReceipt, EnqueueRequest } from "../broker.ts";
import { MAX_ADMINISTRATION_BATCH, type RetryReceipt } from "../contract/admin.ts";
import { messageWith } from "../contract/edit-rules.ts";
import { firstAttempt } from "../first-attempt.ts";
import { dropOldFlagOf } from "./cancel-flags.ts";
import { type Entry, NOTHING_TOLD } from "./store/entry.ts";
import type { MemoryStore } from "./store/store.ts";
import { heldBy, hold } from "./store/unique-keys.ts";

/** The requests have been checked. A task whose id is there already is left as it is. */
export function enqueue(store: MemoryStore, requests: readonly EnqueueRequest[]): EnqueueReceipt[] {
  // One time for all: those with the same delay come due together.
  const now = store.now();
  const receipts = requests.map((request) => enqueueOne(store, request, now));
  store.ring();
  return receipts;
}

function enqueueOne(store: MemoryStore, request: EnqueueRequest, now: number): EnqueueReceipt {
  const { id, queue, priority, type, message, delayMs = 0 } = request;
  const there = store.tasks.get(id);
  if (there !== undefined) return { id, created: false, state: there.state };
  const held = heldBy(store, request);
  if (held !== null) return held;
  dropOldFlagOf(store, id);
  const seq = store.next();
  const state = delayMs > 0 ? "scheduled" : "queued";
  const entry: Entry = {
    ...{ ...NOTHING_TOLD, seq, id, type, queue, priority, state, message, place: seq, enqueuedAt: now, errors: [] },
    retentionMs: Math.ceil(request.retentionMs),
    queuedAt: delayMs > 0 ? null : now,
    dueAt: delayMs > 0 ? Math.ceil(now + delayMs) : null,
    log: { lines: [], last: 0, bytes: 0 },
  };
  store.add(entry);
  hold(store, entry, request);
  return { id, created: true, state };
}

/** Queues up to `max` of what is due, at the end of the line. */
export function promote(store: MemoryStore, max: number): { promoted: number; nextInMs: number | null } {
  const now = store.now();
  const due = store.due.upTo(now, max);
  for (const entry of due) {
    store.move(entry, MOVES.promote.to, { place: store.next(), queuedAt: now, dueAt: null });
  }
  if (due.length > 0) store.ring();
  const next = store.due.first?.dueAt ?? null;
  return { promoted: due.length, nextInMs: next === null ? null : Math.max(0, next - now) };
}

/** @throws RangeError for more than 1 000 ids. */
export function retry(store: MemoryStore, ids: readonly string[], payload?: string): RetryReceipt[] {
  if (ids.length > MAX_ADMINISTRATION_BATCH) {
    throw new RangeError(`a retry takes at most ${MAX_ADMINISTRATION_BATCH} ids at once, got ${ids.length}`);
  }
  const receipts = ids.map((id) => retryOne(store, id, payload));
  store.ring();
  return receipts;
}

function retryOne(store: MemoryStore, id: string, payload: string | undefined): RetryReceipt {
  const entry = store.tasks.get(id);
  if (entry === undefined) return { id, state: null, retried: false };
  const { state, queue } = entry;
  if (!isOpenTo(MOVES.revive, state)) return { id, state, retried: false };
  const changed = messageWith(entry.message, payload);
  if (changed.refused !== undefined) return { id, state, retried: false, refused: changed.refused };
  const { message, unique } = firstAttempt(changed.message);
  const holder = heldBy(store, { queue, unique });
  if (holder !== null && holder.id !== id) return { id, state, retried: false, heldBy: holder.id };
  // One that is held for a time, and still is, is held no longer for that.
  if (holder === null) hold(store, entry, { queue, unique });
  store.move(entry, MOVES.revive.to, { ...NOTHING_TOLD, message, place: store.next(), queuedAt: store.now() });
  // The cancel that ended it must not end it again.
  store.flags.delete(id);
  return { id, state, retried: true };
}
