/**
 * Which of the tasks that a claim brought were cancelled while they waited. While any mark stands, one question a claim
 * is enough for all of them, so that a mark costs only the task it is for: without that each task asked by itself, and
 * one cancel of an id that nobody knows took half of the fleet's speed for an hour.
 */
import type { CommandBatch } from "../connection/command-batch.ts";
import type { Reply } from "../connection/raw-connection.ts";
import type { RawEntry, StreamEntries } from "../connection/replies.ts";
import { CANCELLED_KEY } from "../keys.ts";
import type { RedisCommand } from "./outcome-commands.ts";

/** How an own message begins; foreign ones are asked about before they run, whatever is marked. */
const OWN_BEGIN = '{"id":"';
/** Of so few marks all are asked for; of more, those of the tasks that came. */
const FEW = 100;
const NO_REPLY: Reply = [null, null];

/** Whether an entry may be of a task that is marked. */
export type IsMarked = (fields: RawEntry[1]) => boolean;

export const ALL_MAY_BE: IsMarked = () => true;
export const NONE_IS: IsMarked = () => false;

type Send = (fill: (batch: CommandBatch) => void) => Promise<readonly Reply[]>;

/** The question for all marks, behind the read of a claim: where some stood a moment ago it saves a round trip. */
export const ALL_MARKS: RedisCommand = ["ZRANGE", CANCELLED_KEY, 0, FEW];

/**
 * Asks once for all entries. Where no answer can be had, each of them may be marked: they are ours by now, and must go
 * on.
 *
 * @param known - the answer to `ALL_MARKS` as of after the read; undefined: it was not asked.
 */
export async function askMarks(send: Send, streams: readonly StreamEntries[], known?: Reply): Promise<IsMarked> {
  if (streams.length === 0) return NONE_IS;
  const first = known === undefined ? await ask(send, ALL_MARKS) : listIn(known);
  if (first === null) return ALL_MAY_BE;
  if (first.length <= FEW) return among(new Set(first));
  const ids = streams.flatMap(([, entries]) => entries.flatMap(([, fields]) => ownId(fields) ?? []));
  if (ids.length === 0) return ALL_MAY_BE;
  const scores = await ask(send, ["ZMSCORE", CANCELLED_KEY, ...ids]);
  return scores === null ? ALL_MAY_BE : among(new Set(ids.filter((_, index) => scores[index] !== null)));
}

/** Null: no answer. */
async function ask(send: Send, command: RedisCommand): Promise<readonly unknown[] | null> {
  try {
    const [reply = NO_REPLY] = await send((batch) => batch.add(command));
    return listIn(reply);
  } catch {
    // Whoever runs them asks again, and waits until there is an answer.
    return null;
  }
}

function listIn([error, reply]: Reply): readonly unknown[] | null {
  return error === null && Array.isArray(reply) ? reply : null;
}

function among(marked: ReadonlySet<unknown>): IsMarked {
  return (fields) => {
    const id = ownId(fields);
    return id === null || marked.has(id);
  };
}

/** The id of an own message; null where only a whole look could tell it. */
function ownId(fields: RawEntry[1]): string | null {
  const message: unknown = Array.isArray(fields) ? fields[1] : null;
  if (typeof message !== "string" || !message.startsWith(OWN_BEGIN)) return null;
  const id = message.slice(OWN_BEGIN.length, message.indexOf('"', OWN_BEGIN.length));
  return id.includes("\\") ? null : id;
}
