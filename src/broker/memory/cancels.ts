/**
 * Cancels: a waiting task ends at once; a running one, or one that is not known, gets a flag, of which whoever runs it
 * is told. A flag lasts an hour, and as long as a living task has its id.
 */

import { isOpenTo, MOVES } from "../../task/state.ts";
import type { CancelReceipt } from "../broker.ts";
import { afterCancel, followRequest } from "../contract/follow-up.ts";
import { recordOf } from "./store/entry.ts";
import type { MemoryStore } from "./store/store.ts";
import { freeAllKeys } from "./store/unique-keys.ts";
import { enqueue } from "./tasks.ts";

export function cancel(store: MemoryStore, ids: readonly string[]): CancelReceipt[] {
  const receipts = ids.map((id) => cancelOne(store, id));
  const told = receipts.filter(({ state }) => state === null || state === "running").map(({ id }) => id);
  if (told.length > 0) for (const listener of [...store.cancelListeners]) listener(told);
  return receipts;
}

function cancelOne(store: MemoryStore, id: string): CancelReceipt {
  const entry = store.tasks.get(id);
  if (entry === undefined || entry.state === "running") {
    store.flags.set(id, store.now());
    return { id, state: entry?.state ?? null };
  }
  const { state, retentionMs } = entry;
  if (!isOpenTo(MOVES.cancel, state)) return { id, state };
  const now = store.now();
  const end = { dueAt: null, finishedAt: now, expiresAt: now + retentionMs, reason: "cancelled by a client" };
  const followUp = afterCancel(entry.message, store.onCancelled, { id, type: entry.type, retentionMs, what: `${now}` });
  if (retentionMs > 0 || followUp !== null) store.move(entry, MOVES.cancel.to, end);
  if (followUp !== null) enqueue(store, [followRequest(followUp, recordOf(entry))]);
  if (retentionMs <= 0) store.remove(entry);
  freeAllKeys(store, entry);
  store.flags.delete(id);
  return { id, state };
}
