/** Changes to tasks that wait. One that is queued keeps its place in line, unless its priority is another one. */
import { hasEnded } from "../../../task/state.ts";
import type { EditReceipt, TaskEdit } from "../../contract/edit.ts";
import { type ChangedMessage, messageWith, stateAfter } from "../../contract/edit-rules.ts";
import { STATE, stateName } from "../file/schema.ts";
import type { Store } from "../file/store.ts";
import type { Transaction } from "../file/transaction.ts";
import { numberOf, textOf } from "./rows.ts";

const FIND = `SELECT tasks.seq, state, queue, priority, place, queued_at, due_at, message FROM ids
  JOIN tasks ON tasks.seq = ids.seq WHERE ids.id = ?`;
const CHANGE = `UPDATE tasks SET state = ?, priority = ?, place = ?, queued_at = ?, due_at = ?, message = ?
  WHERE seq = ?`;

export function edit(store: Store, edits: readonly TaskEdit[]): Promise<EditReceipt[]> {
  return store.write(edits.length, (tx) => edits.map((each) => editOne(tx, each)));
}

function editOne(tx: Transaction, { id, payload, priority, delayMs }: TaskEdit): EditReceipt {
  const row = tx.sql(FIND).get(id);
  if (row === undefined) return { id, state: null, edited: false };
  const code = numberOf(row, "state");
  const state = stateName(code);
  if (state === "running" || hasEnded(state)) return { id, state, edited: false };
  const changed: ChangedMessage = messageWith(textOf(row, "message"), payload);
  if (changed.refused !== undefined) return { id, state, edited: false, refused: changed.refused };
  const to = stateAfter(state, delayMs);
  if (to === state && payload === undefined && priority === undefined && !delayMs) return { id, state, edited: false };
  const [queue, was] = [textOf(row, "queue"), numberOf(row, "priority")];
  const isToLine = to === "queued" && state !== "queued";
  const isOtherLine = to === "queued" && (priority ?? was) !== was;
  const queuedAt = to === "queued" ? (isToLine ? tx.now : (row.queued_at ?? null)) : null;
  tx.sql(CHANGE).run(
    ...[to === state ? code : STATE[to], priority ?? was],
    ...[isToLine || isOtherLine ? tx.nextNumber() : numberOf(row, "place"), queuedAt],
    ...[to === "queued" ? null : delayMs === undefined ? (row.due_at ?? null) : Math.ceil(tx.now + delayMs)],
    ...[changed.message, numberOf(row, "seq")],
  );
  if (to !== state) tx.moved(queue, state, to);
  return { id, state, edited: true };
}
