/**
 * The record of a task as Redis keeps it: one packed string, `T`, a letter for the state, then fields, each a letter,
 * its length in bytes and its value. What can be worked out from the rest is left out: an absent field costs
 * nothing, and a string a third of a hash. The message stands in it too, so that a task whose stream was deleted is not
 * lost: of one of our own only the payload is written. The same in Lua is packing-lua.ts; docs/wire.md describes it.
 * Records that an older version wrote are hashes: they are read as long as they last, and written anew as strings.
 */
import { DEFAULT_QUEUE } from "../../../task/options/enqueue-options.ts";
import type { TaskState } from "../../../task/state.ts";
import { ERROR_FIELD } from "../keys.ts";

/** How a packed record begins. */
export const MAGIC = "T";

/** Running is not written: a task that says queued is running while its entry is pending. */
export const STATE_LETTERS = {
  scheduled: "s",
  queued: "q",
  retrying: "r",
  done: "d",
  dead: "x",
  cancelled: "c",
} as const satisfies Readonly<Record<Exclude<TaskState, "running">, string>>;

/** How a packed record begins, of a task in this state. */
export function packedStart(state: keyof typeof STATE_LETTERS): string {
  return MAGIC + STATE_LETTERS[state];
}

/**
 * The fields in their order, each with its letter. Short ones first: the first `HEAD_BYTES` hold all of them, so that
 * nobody reads a message of megabytes for a state.
 */
export const FIELD_LETTERS = {
  /** The entry of the stream, shortened (`unpackEntry`); absent: there is none. */
  entry: "e",
  /** Unix ms, as all times. Absent: it is that of the entry's id. */
  enqueued_at: "n",
  due_at: "d",
  attempt: "a",
  started_at: "s",
  /** `WAITED CLAIMED RAN`, in ms, of the attempt that ended done or cancelled. */
  times: "z",
  finished_at: "f",
  /** Absent: 1 where it is done, else 0. */
  progress: "g",
  crashes: "c",
  /** How often it was recorded as done. Absent: once where it is done, else never. */
  completions: "k",
  /** In ms, as `packRetention` shortens it; absent: the executor that runs the task decides. */
  retention: "r",
  /** Absent: 0. */
  priority: "p",
  /** Absent: the default queue. */
  queue: "q",
  type: "t",
  executor: "x",
  /** The key of Redis that it holds until it has ended, and the one that it holds for a time. */
  unique: "u",
  unique_for_a_time: "v",
  reason: "w",
  result_omitted: "o",
  /** JSON. */
  error: "b",
  progress_msg: "l",
  /** JSON. */
  result: "j",
  /** Absent: it is longer than `LONGEST_COPY`, and stands in the entry alone. */
  message: "m",
} as const;

/** An error of an attempt: `NUMBER JSON`; stands before `progress_msg`. */
export const ERROR_LETTER = "i";
/** In place of `message`: that is as we write it, and this is what stands between `messageStart` and its last brace. */
export const PAYLOAD_LETTER = "y";

/** A longer message, in bytes, is not in the record of a task whose entry holds it: megabytes must not stand twice. */
export const LONGEST_COPY = 4_096;

/** The first so many bytes of a record hold its short fields, whatever the names in them. */
export const HEAD_BYTES = 2_048;

/** A record as names and texts. `state` is always there, and so is what was left out when it was packed. */
export type RecordFields = Readonly<Record<string, string>>;

const STATES = new Map<string, string>(Object.entries(STATE_LETTERS).map(([state, letter]) => [letter, state]));
const NAMES = new Map<string, string>(Object.entries(FIELD_LETTERS).map(([name, letter]) => [letter, name]));
const COLON = 0x3a;

/** How the message of a task begins that this program wrote; its payload follows, its options, and a brace. */
export function messageStart(id: string, type: string): string {
  return `{"id":"${id}","task_type":"${type}","payload":`;
}

/** Where the payload begins in a message that is as we write it, in bytes; 0: it is another one. */
export function payloadAt(id: string, type: string, message: string): number {
  const start = messageStart(id, type);
  const isOwn = message.startsWith(start) && message.endsWith("}") && message.length > start.length;
  return isOwn ? Buffer.byteLength(start) : 0;
}

/** Times between these, in ms, have eight digits in base 36: from 1972 to 2059. */
export const [EARLIEST_SHORT, LATEST_SHORT] = [36 ** 7, 36 ** 8 - 1];

/** Numbers below this are surely whole in either language. */
export const MOST_SHORT = 1e15;

/** How the id of an entry begins that was made in this millisecond, packed; as it is where that is not shortened. */
export function packTime(ms: number): string {
  return ms >= EARLIEST_SHORT && ms <= LATEST_SHORT ? ms.toString(36) : String(ms);
}

/** An entry's id, `MS-NUMBER`, stands as both in base 36 without the dash, MS in eight digits; as it is where not. */
function unpackEntry(packed: string): string {
  if (packed.includes("-")) return packed;
  return `${Number.parseInt(packed.slice(0, 8), 36)}-${Number.parseInt(packed.slice(8), 36)}`;
}

/** Units of a retention, longest first, in ms. */
export const RETENTION_UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const;

/** A number of ms: in the longest unit of which it is a multiple (`1d`), else as it is. */
export function packRetention(ms: string): string {
  if (!/^[1-9]\d{0,14}$/.test(ms)) return ms;
  const unit = Object.entries(RETENTION_UNITS).find(([, length]) => Number(ms) % length === 0);
  return unit === undefined ? ms : `${Number(ms) / unit[1]}${unit[0]}`;
}

function unpackRetention(packed: string): string {
  const unit = Object.entries(RETENTION_UNITS).find(([letter]) => packed.endsWith(letter));
  return unit === undefined ? packed : String(Number(packed.slice(0, -1)) * unit[1]);
}

/** A value of fewer bytes has its length as one digit of this base behind a capital letter, a longer one decimal. */
export const SHORT_BASE = 36;

/** One field, packed. */
export function packField(letter: string, value: string): string {
  return packBytes(letter, value, Buffer.byteLength(value));
}

/** A whole number, packed. */
export function packNumber(letter: string, number: number): string {
  const text = String(number);
  return packBytes(letter, text, text.length);
}

function packBytes(letter: string, value: string, bytes: number): string {
  if (bytes >= SHORT_BASE) return `${letter}${bytes}:${value}`;
  return letter.toUpperCase() + bytes.toString(SHORT_BASE) + value;
}

/** What is known of a task from its enqueue on. */
export interface TaskFacts {
  /** In ms; null: it is not written. */
  readonly retentionMs: number | null;
  readonly priority: number;
  readonly queue: string;
  readonly type: string;
}

/** Packs it, as it stands in every record of one kind of task. */
export function packFacts({ retentionMs, priority, queue, type }: TaskFacts): string {
  const { retention, priority: urgency, queue: place, type: kind } = FIELD_LETTERS;
  const kept = retentionMs === null ? "" : packField(retention, packRetention(String(retentionMs)));
  const urgent = priority === 0 ? "" : packField(urgency, String(priority));
  return `${kept}${urgent}${queue === DEFAULT_QUEUE ? "" : packField(place, queue)}${packField(kind, type)}`;
}

/** What a packed record tells, as far as its bytes go. */
export interface Unpacked {
  readonly fields: RecordFields;
  /** Where the first field begins that the bytes do not hold whole; null: all are there. */
  readonly cut: Cut | null;
}

/** A field that goes beyond the bytes that were read. */
export interface Cut {
  /** Where it begins, in bytes. */
  readonly at: number;
  /** Its value; null where not even its length is there. */
  readonly value: CutValue | null;
}

export interface CutValue {
  readonly letter: string;
  /** Where it begins, and how long it is, in bytes. */
  readonly at: number;
  readonly bytes: number;
}

/**
 * Reads a packed record, or its beginning.
 *
 * @returns null where it is none.
 */
export function unpack(id: string, bytes: Buffer): Unpacked | null {
  const state = STATES.get(bytes.toString("latin1", MAGIC.length, MAGIC.length + 1));
  if (state === undefined || bytes.toString("latin1", 0, MAGIC.length) !== MAGIC) return null;
  const fields: Record<string, string> = { state };
  const cut = unpackFields(id, fields, bytes, MAGIC.length + 1);
  return { fields: whole(fields), cut };
}

/**
 * Reads fields of the record of a task from a place on.
 *
 * @returns the first one that the bytes do not hold whole; null: all are there.
 */
export function unpackFields(id: string, fields: Record<string, string>, bytes: Buffer, from: number): Cut | null {
  let at = from;
  while (at < bytes.length) {
    const mark = bytes.toString("latin1", at, at + 1);
    const letter = mark.toLowerCase();
    const isShort = letter !== mark;
    const start = isShort ? at + 2 : bytes.indexOf(COLON, at) + 1;
    if (start === 0 || start > bytes.length) return { at, value: null };
    const digits = bytes.toString("latin1", at + 1, isShort ? start : start - 1);
    const length = Number.parseInt(digits, isShort ? SHORT_BASE : 10);
    const end = start + length;
    if (end > bytes.length) return { at, value: { letter, at: start, bytes: length } };
    takeField(id, fields, letter, bytes.toString("utf8", start, end));
    at = end;
  }
  return null;
}

/** Takes one field as it was packed. */
export function takeField(id: string, fields: Record<string, string>, letter: string, value: string): void {
  if (letter === PAYLOAD_LETTER) fields.message = `${messageStart(id, fields.type ?? "")}${value}}`;
  else if (letter === FIELD_LETTERS.entry) fields.entry = unpackEntry(value);
  else if (letter === FIELD_LETTERS.retention) fields.retention = unpackRetention(value);
  else if (letter === ERROR_LETTER) {
    const space = value.indexOf(" ");
    fields[ERROR_FIELD + value.slice(0, space)] = value.slice(space + 1);
  } else {
    const name = NAMES.get(letter);
    // A newer version may have fields that this one does not know.
    if (name !== undefined) fields[name] = value;
  }
}

/** With what was left out. */
function whole(fields: Record<string, string>): RecordFields {
  const { entry, state } = fields;
  fields.queue ??= DEFAULT_QUEUE;
  if (entry !== undefined) fields.enqueued_at ??= entry.slice(0, entry.indexOf("-"));
  if (state === "done") {
    fields.progress ??= "1";
    fields.completions ??= "1";
  }
  return fields;
}

/**
 * The fields of a hash, as versions before 0.2 wrote records. What was known of a plain end stood in one field there,
 * `end`: attempt, start, finish and executor; it counted for one completion besides those in `completions`.
 *
 * @returns null where it is no record.
 */
export function readHash(hash: RecordFields): RecordFields | null {
  if (hash.state === undefined) return null;
  const { end, ...rest } = hash;
  const fields = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== ""));
  const match = /^(\d+) (\d+) (\d+) (.*)$/s.exec(end ?? "");
  if (match === null) return fields;
  const [, attempt = "", started_at = "", finished_at = "", executor = ""] = match;
  const completions = String(Number(fields.completions ?? 0) + 1);
  return { ...fields, attempt, started_at, finished_at, executor, completions, progress: "1" };
}
