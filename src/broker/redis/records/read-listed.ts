/**
 * Reads records for lists: each long field is cut where it lies, to what a list shows of it, so that a record of
 * megabytes sends a few kilobytes. Most records are short, and come whole in the first round.
 */
import {
  attemptErrorFromStart,
  BYTES_PER_UNIT,
  errorFromStart,
  LISTED_ERROR_BYTES,
  LISTED_MESSAGE_LENGTH,
  LISTED_PROGRESS_LENGTH,
  LISTED_REASON_LENGTH,
  LISTED_RESULT_BYTES,
} from "../../../task/record/listed-task.ts";
import { execute, type RedisConnections } from "../connection/connections.ts";
import { ERROR_FIELD, recordKey } from "../keys.ts";
import {
  type Cut,
  type CutValue,
  ERROR_LETTER,
  FIELD_LETTERS,
  messageStart,
  PAYLOAD_LETTER,
  type RecordFields,
  readHash,
  takeField,
  unpack,
  unpackFields,
} from "./codec.ts";

/** How many bytes of a record are read at once. */
const WINDOW = 4_096;
/** How many records of an older version are read at once: they come whole. */
const HASHES = 10;

/** A record for a list, and the whole lengths of what was cut, in bytes; null: it was not. */
export interface ListedFields {
  readonly fields: RecordFields;
  readonly messageBytes: number | null;
  readonly resultBytes: number | null;
}

/** How much of a long field is read, from its beginning or up to its end. */
interface Share {
  readonly bytes: number;
  readonly isEnd?: true;
}

const { message: MESSAGE, result: RESULT, progress_msg: PROGRESS, error: ERROR } = FIELD_LETTERS;

const SHARES: Readonly<Record<string, Share>> = {
  [MESSAGE]: { bytes: BYTES_PER_UNIT * LISTED_MESSAGE_LENGTH },
  [PAYLOAD_LETTER]: { bytes: BYTES_PER_UNIT * LISTED_MESSAGE_LENGTH },
  [FIELD_LETTERS.reason]: { bytes: BYTES_PER_UNIT * LISTED_REASON_LENGTH },
  [FIELD_LETTERS.result_omitted]: { bytes: BYTES_PER_UNIT * LISTED_REASON_LENGTH },
  [PROGRESS]: { bytes: BYTES_PER_UNIT * LISTED_PROGRESS_LENGTH, isEnd: true },
  [RESULT]: { bytes: LISTED_RESULT_BYTES },
  [ERROR]: { bytes: LISTED_ERROR_BYTES },
  // With its number before it.
  [ERROR_LETTER]: { bytes: LISTED_ERROR_BYTES + 10 },
};

/** One record while it is read. */
class Reading {
  readonly #id: string;
  readonly key: string;
  #fields: Record<string, string> = {};
  #messageBytes: number | null = null;
  #resultBytes: number | null = null;
  #isNone = false;
  /** Where the next window begins, and what of the field before it is read; null: all is. */
  #next: { readonly at: number; readonly value: CutValue | null } | null = { at: 0, value: null };

  constructor(id: string) {
    this.#id = id;
    this.key = recordKey(id);
  }

  get isOver(): boolean {
    return this.#next === null;
  }

  get read(): ListedFields | null {
    if (this.#isNone) return null;
    return { fields: this.#fields, messageBytes: this.#messageBytes, resultBytes: this.#resultBytes };
  }

  /** What of the record is to be read: from, to, both included; of a long field first. */
  ranges(): [key: string, from: number, to: number][] {
    if (this.#next === null) return [];
    const { at, value } = this.#next;
    const window: [string, number, number] = [this.key, at, at + WINDOW - 1];
    if (value === null) return [window];
    const { bytes, isEnd } = shareOf(value);
    const from = isEnd ? value.at + value.bytes - bytes : value.at;
    return [[this.key, from, from + bytes - 1], window];
  }

  take(parts: readonly Buffer[]): void {
    const at = this.#next?.at ?? 0;
    const value = this.#next?.value ?? null;
    const window = parts.at(-1) ?? Buffer.alloc(0);
    const part = value === null ? null : (parts[0] ?? Buffer.alloc(0));
    if (value !== null && part !== null) this.#takePart(value, part.toString("utf8"));
    if (at === 0) {
      const unpacked = unpack(this.#id, window);
      this.#isNone = unpacked === null;
      this.#fields = { ...unpacked?.fields };
      this.#goOn(unpacked?.cut ?? null, 0);
    } else this.#goOn(unpackFields(this.#id, this.#fields, window, 0), at);
  }

  takeHash(hash: Readonly<Record<string, string>>): void {
    this.#next = null;
    const fields = readHash(hash);
    this.#isNone = fields === null;
    for (const [name, value] of Object.entries(fields ?? {})) {
      const letter = name.startsWith(ERROR_FIELD) ? ERROR_LETTER : Reflect.get(FIELD_LETTERS, name);
      const text = letter === ERROR_LETTER ? `${name.slice(ERROR_FIELD.length)} ${value}` : value;
      const bytes = Buffer.byteLength(text);
      const share = typeof letter === "string" ? SHARES[letter] : undefined;
      if (typeof letter !== "string" || share === undefined || bytes <= share.bytes) this.#fields[name] = value;
      else
        this.#takePart({ letter, at: 0, bytes }, share.isEnd ? text.slice(-share.bytes) : text.slice(0, share.bytes));
    }
  }

  /** @param cut - the field that the window does not hold whole. @param window - where that begins in the record. */
  #goOn(cut: Cut | null, window: number): void {
    if (cut === null) this.#next = null;
    // What goes on without a length is no record of ours from there on.
    else if (cut.value === null) this.#next = cut.at === 0 ? null : { at: window + cut.at, value: null };
    else {
      const { letter, at, bytes } = cut.value;
      this.#next = { at: window + at + bytes, value: { letter, at: window + at, bytes } };
    }
  }

  #takePart(value: CutValue, part: string): void {
    const { letter, bytes } = value;
    const isWhole = bytes <= shareOf(value).bytes;
    if (isWhole) {
      takeField(this.#id, this.#fields, letter, part);
      return;
    }
    if (letter === MESSAGE) this.#messageBytes = bytes;
    if (letter === PAYLOAD_LETTER) {
      this.#messageBytes = Buffer.byteLength(messageStart(this.#id, this.#fields.type ?? "")) + bytes + 1;
    }
    if (letter === RESULT) {
      this.#resultBytes = bytes;
      return;
    }
    const text = letter === ERROR ? shortError(part) : letter === ERROR_LETTER ? shortAttemptError(part) : part;
    if (text !== null) takeField(this.#id, this.#fields, letter, text);
  }
}

function shareOf({ letter, bytes }: CutValue): Share {
  const share = SHARES[letter] ?? { bytes };
  return share.bytes < bytes ? share : { bytes };
}

function shortError(start: string): string | null {
  const error = errorFromStart(start);
  return error === null ? null : JSON.stringify(error);
}

function shortAttemptError(start: string): string | null {
  const space = start.indexOf(" ");
  const error = attemptErrorFromStart(start.slice(space + 1));
  return error === null ? null : `${start.slice(0, space)} ${JSON.stringify(error)}`;
}

/** Records in order; null where there is none. */
export async function readListed(
  connections: RedisConnections,
  ids: readonly string[],
): Promise<(ListedFields | null)[]> {
  const readings = ids.map((id) => new Reading(id));
  const old: Reading[] = [];
  for (let open = readings; open.length > 0; open = open.filter((each) => !each.isOver && !old.includes(each))) {
    const ranges = open.map((reading) => reading.ranges());
    const replies = await connections.run(async (redis) => {
      const pipeline = redis.pipeline();
      for (const [key, from, to] of ranges.flat()) pipeline.getrangeBuffer(key, from, to);
      return execute(pipeline);
    });
    let at = 0;
    for (const [index, reading] of open.entries()) {
      const count = ranges[index]?.length ?? 0;
      const own = replies.slice(at, at + count);
      at += count;
      const error = own.find(([each]) => each !== null)?.[0];
      if (error?.message.startsWith("WRONGTYPE")) old.push(reading);
      else if (error) throw error;
      else reading.take(own.map(([, bytes]) => (Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0))));
    }
  }
  for (let from = 0; from < old.length; from += HASHES) await readOld(connections, old.slice(from, from + HASHES));
  return readings.map(({ read }) => read);
}

async function readOld(connections: RedisConnections, old: readonly Reading[]): Promise<void> {
  const replies = await connections.run(async (redis) => {
    const pipeline = redis.pipeline();
    for (const reading of old) pipeline.hgetall(reading.key);
    return execute(pipeline);
  });
  for (const [index, reading] of old.entries()) {
    const hash = replies[index]?.[1];
    reading.takeHash(typeof hash === "object" && hash !== null ? { ...hash } : {});
  }
}
