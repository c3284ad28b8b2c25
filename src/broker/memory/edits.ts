/** Changes to tasks that wait. One that is queued keeps its place in line, unless its priority is another one. */
import { hasEnded } from "../../task/state.ts";
import type { EditReceipt, TaskEdit } from "../contract/edit.ts";
import { type ChangedMessage, messageWith, stateAfter } from "../contract/edit-rules.ts";
import type { MemoryStore } from "./store/store.ts";

export function edit(store: MemoryStore, edits: readonly TaskEdit[]): EditReceipt[] {
  const receipts = edits.map((each) => editOne(store, each));
  store.ring();
  return receipts;
}

function editOne(store: MemoryStore, { id, payload, priority, delayMs }: TaskEdit): EditReceipt {
  const entry = store.tasks.get(id);
  if (entry === undefined) return { id, state: null, edited: false };
  const { state } = entry;
  if (state === "running" || hasEnded(state)) return { id, state, edited: false };
  const changed: ChangedMessage = messageWith(entry.message, payload);
  if (changed.refused !== undefined) return { id, state, edited: false, refused: changed.refused };
  const to = stateAfter(state, delayMs);
  if (to === state && payload === undefined && priority === undefined && !delayMs) return { id, state, edited: false };
  const isToLine = to === "queued" && state !== "queued";
  const isOtherLine = to === "queued" && (priority ?? entry.priority) !== entry.priority;
  const now = store.now();
  const queuedAt = isToLine ? now : entry.queuedAt;
  const dueAt = delayMs === undefined ? entry.dueAt : Math.ceil(now + delayMs);
  store.move(entry, to, {
    priority: priority ?? entry.priority,
    place: isToLine || isOtherLine ? store.next() : entry.place,
    queuedAt: to === "queued" ? queuedAt : null,
    dueAt: to === "queued" ? null : dueAt,
    message: changed.message,
  });
  return { id, state, edited: true };
}
