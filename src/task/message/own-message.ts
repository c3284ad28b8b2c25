/**
 * Messages as our own clients write them, read without a look at what is known beforehand: id and type stand at the
 * beginning, and the options at the end, where the same few come again and again; only the payload goes through a
 * parser: 0.2 us where parsing all of it took 0.36. What does not stand exactly so is left to who reads any message.
 */
import { mayHaveEndlessNumber, oneLine } from "../text/json-text.ts";
import { readTrace, type TraceContext } from "../trace/trace-context.ts";
import { MAX_ID_LENGTH, MAX_TYPE_LENGTH, NO_OPTIONS, type TaskMessage, type TaskOptions } from "./message-schema.ts";

const HEAD = '{"id":"';
const TYPE = '","task_type":"';
const PAYLOAD = '","payload":';
/** What may stand between the two: a trace as we write it, without other systems' state. */
const TRACED = /","trace":\{"traceparent":"([\da-f-]{55})"\},"payload":/y;
/** How the options begin, as JSON.stringify writes them behind another key. */
const OPTIONS = ',"taskexe":';

/** Text that stands in JSON as it is: what must be escaped there is not in it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must be escaped
const AS_IT_IS = /^[^\\"\u0000-\u001f]+$/;

/**
 * A message from the options to its end, where the options hold no object. It closes twice, so it is the outermost
 * object that has the key; and it ends there, so no later key of the same name counts. Within a string the quotes would
 * be escaped. So two messages that end in the same way have the same options.
 */
const FLAT_OPTIONS = /^,"taskexe":\{[^{}]{1,500}\}\}$/;

/** What stands between the id and the payload of a message, and the type that this says. */
interface Middle {
  readonly text: string;
  readonly type: string;
  readonly trace: TraceContext | null;
}

/** That of the last message: many that follow have the same. */
let lastMiddle: Middle = { text: `${TYPE}noop${PAYLOAD}`, type: "noop", trace: null };

/** How a message ends, and the options that this end says. */
interface Ending {
  readonly text: string;
  readonly options: TaskOptions;
}

const WITHOUT_OPTIONS: Ending = { text: "}", options: NO_OPTIONS };
const MAX_KNOWN = 256;
const known = new Map<string, Ending>();
/** That of the last message that had options: most that follow have the same. At first one that no message has. */
let last: Ending = { text: `${OPTIONS}no message ends like this`, options: NO_OPTIONS };

class OwnMessage implements TaskMessage {
  readonly id: string;
  readonly type: string;
  readonly payload: unknown;
  readonly options: TaskOptions;
  readonly trace: TraceContext | null;
  readonly foreign = false;
  readonly #raw: string;
  readonly #payloadAt: number;
  readonly #endingLength: number;
  #fields: TaskMessage["fields"] | null = null;

  constructor(raw: string, id: string, middle: Middle, payload: unknown, { text, options }: Ending) {
    this.#raw = raw;
    this.id = id;
    this.type = middle.type;
    this.trace = middle.trace;
    this.payload = payload;
    this.options = options;
    // The id stands there as it is, so it says where the payload begins.
    this.#payloadAt = HEAD.length + id.length + middle.text.length;
    this.#endingLength = text.length;
  }

  get payloadText(): string {
    return oneLine(this.#raw.slice(this.#payloadAt, this.#raw.length - this.#endingLength));
  }

  get fields(): TaskMessage["fields"] {
    this.#fields ??= JSON.parse(this.#raw) as TaskMessage["fields"];
    return this.#fields;
  }
}

/** Reads a message of that form; null for any other, and for options that have not been seen. Never throws. */
export function readOwn(raw: string): TaskMessage | null {
  if (!raw.startsWith(HEAD)) return null;
  const idEnd = raw.indexOf('"', HEAD.length);
  const id = raw.slice(HEAD.length, idEnd);
  if (idEnd < 0 || !isPlain(id, MAX_ID_LENGTH)) return null;
  const middle = raw.startsWith(lastMiddle.text, idEnd) ? lastMiddle : middleOf(raw, idEnd);
  const ending = endingOf(raw);
  if (middle === null || ending === undefined) return null;
  // One JSON value between the two: nothing that is hidden in it says something else.
  const payload = raw.slice(idEnd + middle.text.length, raw.length - ending.text.length);
  try {
    if (payload === "null") return new OwnMessage(raw, id, middle, null, ending);
    // One that may hold a number without an end is looked at by whoever reads any message.
    return mayHaveEndlessNumber(payload) ? null : new OwnMessage(raw, id, middle, JSON.parse(payload), ending);
  } catch {
    // The reader of any message says what is wrong with it, if anything is.
    return null;
  }
}

/** What stands between id and payload; null where something else stands there. */
function middleOf(raw: string, idEnd: number): Middle | null {
  if (!raw.startsWith(TYPE, idEnd)) return null;
  const typeAt = idEnd + TYPE.length;
  const typeEnd = raw.indexOf('"', typeAt);
  const type = raw.slice(typeAt, typeEnd);
  if (!isPlain(type, MAX_TYPE_LENGTH)) return null;
  if (!raw.startsWith(PAYLOAD, typeEnd)) return tracedMiddle(raw, type, typeEnd);
  lastMiddle = { text: TYPE + type + PAYLOAD, type, trace: null };
  return lastMiddle;
}

/** One with a trace: each has its own, so it is not kept. */
function tracedMiddle(raw: string, type: string, typeEnd: number): Middle | null {
  TRACED.lastIndex = typeEnd;
  const [text, traceparent] = TRACED.exec(raw) ?? [];
  return text === undefined ? null : { text: TYPE + type + text, type, trace: readTrace(traceparent) };
}

/** Keeps options that have passed the schema for the messages that end like this one. */
export function rememberOptions(raw: string, options: TaskOptions): void {
  const text = raw.slice(Math.max(raw.lastIndexOf(OPTIONS), 0));
  if (!FLAT_OPTIONS.test(text) || known.has(text)) return;
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(text, { text, options: Object.freeze(options) });
}

function endingOf(raw: string): Ending | undefined {
  if (raw.endsWith(last.text)) return last;
  const at = raw.lastIndexOf(OPTIONS);
  if (at < 0) return raw.endsWith(WITHOUT_OPTIONS.text) ? WITHOUT_OPTIONS : undefined;
  const ending = known.get(raw.slice(at));
  if (ending !== undefined) last = ending;
  return ending;
}

function isPlain(text: string, maxLength: number): boolean {
  return text.length <= maxLength && AS_IT_IS.test(text) && text.isWellFormed();
}
