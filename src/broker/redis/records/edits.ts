/**
 * Changes to tasks that wait. A new payload is put into the message here, and the script takes it only where the
 * message is still the one that was read: a task that was changed meanwhile is read again.
 */
import type { EditReceipt, TaskEdit } from "../../contract/edit.ts";
import { messageWith } from "../../contract/edit-rules.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { inChunks } from "../connection/in-flight.ts";
import { type EditWords, editBy } from "../scripts/edit.ts";
import { messagesOf } from "../scripts/messages.ts";

/** How many one script changes: about 3 ms. */
const CHUNK = 100;
/** How often a task is read again: each time somebody else has changed it meanwhile. */
const MOST_READS = 10;

export function editTasks(connections: RedisConnections, edits: readonly TaskEdit[]): Promise<EditReceipt[]> {
  return inChunks(edits, CHUNK, (chunk) => editSome(connections, chunk));
}

async function editSome(connections: RedisConnections, edits: readonly TaskEdit[]): Promise<EditReceipt[]> {
  const receipts = new Map<string, EditReceipt>();
  let left = edits;
  for (let reads = 0; left.length > 0; reads++) {
    const words = await wordsOf(connections, left, receipts);
    const made = await connections.run((redis) => editBy(redis, words));
    const changed = new Set<string>();
    for (const { id, state, edited, isOther } of made) {
      if (isOther && reads < MOST_READS) changed.add(id);
      else receipts.set(id, { id, state, edited, ...(isOther ? { refused: "others change it all the time" } : {}) });
    }
    left = left.filter(({ id }) => changed.has(id));
  }
  return edits.map(({ id }) => receipts.get(id) ?? { id, state: null, edited: false });
}

/** What the script is given; those that cannot have their payload get their receipts here. */
async function wordsOf(
  connections: RedisConnections,
  edits: readonly TaskEdit[],
  receipts: Map<string, EditReceipt>,
): Promise<EditWords[]> {
  const read = edits.filter(({ payload }) => payload !== undefined).map(({ id }) => id);
  const found = read.length === 0 ? [] : await connections.run((redis) => messagesOf(redis, read));
  const waiting = new Map(found.map((each) => [each.id, each]));
  return edits.flatMap((edit) => {
    const { id, payload, priority, delayMs } = edit;
    if (payload === undefined) return { id, was: "", message: "", priority, delayMs };
    const { state = null, message = "" } = waiting.get(id) ?? {};
    const changed = message === "" ? null : messageWith(message, payload);
    if (changed?.message !== undefined) return { id, was: message, message: changed.message, priority, delayMs };
    const refused = changed === null ? {} : { refused: changed.refused };
    receipts.set(id, { id, state, edited: false, ...refused });
    return [];
  });
}
