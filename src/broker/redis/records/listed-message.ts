/**
 * What a list tells of the message of an entry. A long one of our own is cut in Redis: its id and type stand at its
 * beginning, its options at its end. A long one of another program is read whole, one at a time.
 */
import { parseMessage } from "../../../task/message/message.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { readEntries } from "../connection/replies.ts";
import { MESSAGE_FIELD } from "../keys.ts";
import type { EntryPart } from "../scripts/scan.ts";

export interface ListedMessage {
  readonly id: string;
  readonly type: string;
  /** Which attempt it is for. */
  readonly attempt: number;
  /** The message, or its beginning. */
  readonly text: string;
  /** How long it is, in bytes. */
  readonly bytes: number;
}

/** How a message begins that this program wrote, up to its payload; id and type as they are. */
const OWN_START = /^\{"id":"[^"\\]+","task_type":"[^"\\]+",(?:"trace":\{[^{}]*\},)?"payload":/;
const OPTIONS = ',"taskexe":{';
/** Its options, at its very end, where they hold no object. */
const OPTIONS_AT_END = /,"taskexe":\{[^{}]*\}\}$/;

/** @returns null where it is no message of a task. */
export async function readListedMessage(
  connections: RedisConnections,
  stream: string,
  { entry, fields, cut }: EntryPart,
): Promise<ListedMessage | null> {
  const text = messageIn(fields);
  if (text === null) return null;
  if (cut === null) return told(text, text, Buffer.byteLength(text));
  const start = OWN_START.exec(text)?.[0];
  if (start !== undefined && !cut.end.includes(OPTIONS)) return told(`${start}null}`, text, cut.bytes);
  const options = OPTIONS_AT_END.exec(cut.end)?.[0];
  if (start !== undefined && options !== undefined) return told(`${start}null${options}`, text, cut.bytes);
  const whole = readEntries(await connections.run((redis) => redis.xrange(stream, entry, entry)))[0];
  const message = messageIn(whole?.[1]);
  return message === null ? null : told(message, message, Buffer.byteLength(message));
}

/** @param message - says what the task is. @param text - what is listed. */
function told(message: string, text: string, bytes: number): ListedMessage | null {
  const parsed = parseMessage(message);
  if (!parsed.ok) return null;
  const { id, type, options } = parsed.message;
  return { id, type, attempt: options.attempt ?? 1, text, bytes };
}

/** The message of an entry that holds nothing else. */
function messageIn(fields: unknown): string | null {
  if (!Array.isArray(fields) || fields.length !== 2 || fields[0] !== MESSAGE_FIELD) return null;
  return String(fields[1]);
}
