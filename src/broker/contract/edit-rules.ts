/** What brokers share of changes to tasks that wait: what is checked before, and what a task becomes. */
import { isDuration, MAX_DURATION_MS } from "../../task/limits.ts";
import { parseMessage, withPayload } from "../../task/message/message.ts";
import { isOpenTo, MOVES, type TaskState } from "../../task/state.ts";
import { MAX_ADMINISTRATION_BATCH } from "./admin.ts";
import type { TaskEdit } from "./edit.ts";

/** @throws RangeError as {@link Admin.edit} says. */
export function checkEdits(edits: readonly TaskEdit[], priorities: number): void {
  if (edits.length > MAX_ADMINISTRATION_BATCH) {
    throw new RangeError(`an edit takes at most ${MAX_ADMINISTRATION_BATCH} tasks at once, got ${edits.length}`);
  }
  for (const { id, priority = 0, delayMs = 0 } of edits) {
    if (!Number.isInteger(priority) || priority < 0 || priority >= priorities) {
      throw new RangeError(
        `the priority of task "${id}" must be an integer from 0 to ${priorities - 1}, got ${priority}`,
      );
    }
    if (!isDuration(delayMs)) {
      throw new RangeError(`the delay of task "${id}" must be 0 to ${MAX_DURATION_MS} ms, got ${delayMs}`);
    }
  }
}

/** A message, or why a task cannot have it. */
export type ChangedMessage =
  | { readonly message: string; readonly refused?: never }
  | { readonly message?: never; readonly refused: string };

/** The message of a task with another payload; absent: as it is. */
export function messageWith(message: string, payload: string | undefined): ChangedMessage {
  if (payload === undefined) return { message };
  const parsed = parseMessage(message);
  if (!parsed.ok) return { refused: `its message cannot be read: ${parsed.reason}` };
  if (parsed.message.foreign) return { refused: "its message is another program's, whose payload is all of it" };
  const changed = withPayload(message, payload);
  const read = parseMessage(changed);
  return read.ok ? { message: changed } : { refused: read.reason };
}

/** Where a task that waits is, once it has been given that time. */
export function stateAfter(state: TaskState, delayMs: number | undefined): TaskState {
  if (delayMs === undefined) return state;
  if (delayMs === 0) return isOpenTo(MOVES.promote, state) ? MOVES.promote.to : state;
  return isOpenTo(MOVES.postpone, state) ? MOVES.postpone.to : state;
}
