/**
 * Reads and writes the message on the wire: JSON in the stream field `message`, `{"id","task_type",...}`.
 * Ours adds `payload` (what the handler gets) and, where they differ from the defaults, `taskexe` (options); before the
 * payload stands `trace`, where the task belongs to one.
 * A foreign message (no `payload` key) is handed to its handler whole, unknown keys and all.
 * Whatever cannot be a task gets a reason that names what is wrong; nothing here throws on bad input.
 */
import * as v from "valibot";
import { membersOf, withoutMember } from "../text/json-spans.ts";
import { endlessNumber, JsonText, oneLine, payloadIn } from "../text/json-text.ts";
import { type TraceContext, traceIn } from "../trace/trace-context.ts";
import {
  DEFAULT_TYPE,
  IdSchema,
  MAX_ID_LENGTH,
  MAX_MESSAGE_DEPTH,
  MAX_MESSAGE_LENGTH,
  MAX_TYPE_LENGTH,
  MessageSchema,
  NO_OPTIONS,
  type TaskMessage,
  type TaskOptions,
} from "./message-schema.ts";
import { readOwn, rememberOptions } from "./own-message.ts";

export type ParsedMessage =
  | { readonly ok: true; readonly message: TaskMessage }
  /** `id` is there when the message had a usable one. */
  | { readonly ok: false; readonly reason: string; readonly id: string | null };

/** The key of the options in a message. */
const OPTIONS_KEY = "taskexe";
/** That of the payload. */
const PAYLOAD_KEY = "payload";

const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d];

/** Reads the JSON of one stream entry. Never throws: what is wrong comes back as a reason. */
export function parseMessage(raw: string): ParsedMessage {
  const unbearable = unbearableIn(raw);
  if (unbearable !== null) return { ok: false, reason: unbearable, id: null };
  const own = readOwn(raw);
  if (own !== null) return { ok: true, message: own };
  let fields: unknown;
  try {
    fields = JSON.parse(raw);
  } catch (error) {
    return { ok: false, reason: `the message is not JSON: ${messageOf(error)}`, id: null };
  }
  if (!isObject(fields)) {
    return { ok: false, reason: `the message must be a JSON object, got ${describe(fields)}`, id: null };
  }
  const endless = endlessIn(raw);
  if (endless !== null) return { ok: false, reason: endless, id: usableId(fields) };
  const checked = readHead(fields);
  if (!checked.success) return { ok: false, reason: reasonOf(checked.issues), id: usableId(fields) };
  const { output } = checked;
  if (output.taskexe !== undefined) rememberOptions(raw, output.taskexe);
  return { ok: true, message: new AnyMessage(raw, fields, output) };
}

/** What parsing it would already be too much for; null: nothing. */
function unbearableIn(raw: string): string | null {
  if (raw.length > MAX_MESSAGE_LENGTH) {
    return `the message is ${raw.length} characters long; at most ${MAX_MESSAGE_LENGTH} are run`;
  }
  return isTooDeep(raw) ? `the message is nested deeper than ${MAX_MESSAGE_DEPTH} levels` : null;
}

function endlessIn(raw: string): string | null {
  const endless = endlessNumber(raw);
  if (endless === null) return null;
  return `${endless.path}: ${shown(endless.number)} is larger than any number that can be read back`;
}

/**
 * What `parseMessage` would say against a message that `formatMessage` has written of these parts, without parsing it;
 * null: it is a task. Its options have passed the schema of an enqueue, which is the stricter one.
 */
export function refusalOfWritten(raw: string, { id, type }: WrittenParts): string | null {
  const refusal = unbearableIn(raw) ?? endlessIn(raw);
  if (refusal !== null) return refusal;
  const checked = readHead({ id, task_type: type });
  return checked.success ? null : reasonOf(checked.issues);
}

class AnyMessage implements TaskMessage {
  readonly id: string;
  readonly type: string;
  readonly payload: unknown;
  readonly options: TaskOptions;
  readonly foreign: boolean;
  readonly fields: TaskMessage["fields"];
  readonly #raw: string;
  #trace: TraceContext | null | undefined;

  constructor(raw: string, fields: TaskMessage["fields"], head: v.InferOutput<typeof MessageSchema>) {
    this.id = head.id;
    // An empty one names no type either.
    this.type = head.task_type || DEFAULT_TYPE;
    this.options = head.taskexe ?? NO_OPTIONS;
    this.foreign = !("payload" in fields);
    this.payload = this.foreign ? withoutOptions(fields) : fields.payload;
    this.fields = fields;
    this.#raw = raw;
  }

  get trace(): TraceContext | null {
    if (this.#trace === undefined) this.#trace = traceIn(this.fields);
    return this.#trace;
  }

  get payloadText(): string {
    return this.foreign ? oneLine(withoutMember(this.#raw, OPTIONS_KEY)) : (payloadIn(this.#raw) ?? "null");
  }
}

type HeadReading =
  | { readonly success: true; readonly output: v.InferOutput<typeof MessageSchema> }
  | { readonly success: false; readonly issues: readonly v.BaseIssue<unknown>[] };

/** Checks a message against its schema. One without options whose id and type are plain needs no walk through it. */
function readHead(fields: Record<string, unknown>): HeadReading {
  const { id, task_type: type, taskexe } = fields;
  const plain = isText(id, MAX_ID_LENGTH) && (type === undefined || type === null || isText(type, MAX_TYPE_LENGTH));
  if (plain && taskexe === undefined) return { success: true, output: { id, task_type: type } };
  return v.safeParse(MessageSchema, fields);
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === "string" && value !== "" && value.length <= maxLength && value.isWellFormed();
}

/** What a message of ours is made of, beside its payload. */
export interface WrittenParts {
  readonly id: string;
  readonly type: string;
  readonly options?: TaskOptions;
  readonly trace?: TraceContext | null | undefined;
}

/**
 * Writes the JSON of one task. `options` is left out when it is empty.
 *
 * @param task - its payload is a value, or a JsonText that is written as it is.
 */
export function formatMessage(task: WrittenParts & { readonly payload: unknown }): string {
  const { id, type, payload = null, options, trace } = task;
  const head = JSON.stringify({ id, task_type: type });
  const text = payload instanceof JsonText ? payload.text : JSON.stringify(payload);
  const traced = trace ? `,"trace":${JSON.stringify(trace)}` : "";
  return `${head.slice(0, -1)}${traced},"payload":${text}${endOf(options)}`;
}

/**
 * The same message with other options, as a retry writes it: all that it says beside them stays as it stands there.
 *
 * @param raw - the message as it came: a JSON object with an id.
 */
export function withOptions(raw: string, options: TaskOptions): string {
  const rest = oneLine(withoutMember(raw, OPTIONS_KEY));
  return `${rest.slice(0, -1)}${endOf(options)}`;
}

/**
 * The same message with another payload.
 *
 * @param raw - one that has a payload, as it came.
 * @param payload - JSON text.
 */
export function withPayload(raw: string, payload: string): string {
  const options = membersOf(raw).findLast(({ key }) => key === OPTIONS_KEY);
  const rest = oneLine(withoutMember(withoutMember(raw, OPTIONS_KEY), PAYLOAD_KEY));
  const end = options === undefined ? "}" : `,"${OPTIONS_KEY}":${oneLine(raw.slice(options.from, options.to))}}`;
  return `${rest.slice(0, -1)},"${PAYLOAD_KEY}":${oneLine(payload)}${end}`;
}

/** The end of a message whose other keys stand before it. */
function endOf(options: TaskOptions | undefined): string {
  return options && Object.keys(options).length > 0 ? `,"${OPTIONS_KEY}":${JSON.stringify(options)}}` : "}";
}

/** Reads the text, not the value: a parser may itself fall over the depth. What is no JSON is left to the parser. */
export function isTooDeep(raw: string): boolean {
  // Each level is closed by a character of its own, so short messages need no look.
  if (raw.length <= 2 * MAX_MESSAGE_DEPTH) return false;
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < raw.length; at++) {
    const code = raw.charCodeAt(at);
    if (code === QUOTE) quoted = !quoted;
    else if (quoted) {
      if (code === BACKSLASH) at++;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > MAX_MESSAGE_DEPTH) return true;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
  }
  return false;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withoutOptions(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (!("taskexe" in fields)) return fields;
  const { taskexe: _, ...rest } = fields;
  return rest;
}

function reasonOf(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues
    .slice(0, 5)
    .map((issue) => {
      const path = v.getDotPath(issue) ?? "message";
      if (issue.input === undefined) return `the message has no ${path}`;
      return `${path}: ${issue.message}, got ${describe(issue.input)}`;
    })
    .join("; ");
}

function usableId(fields: object): string | null {
  const checked = v.safeParse(IdSchema, "id" in fields ? fields.id : undefined);
  return checked.success ? checked.output : null;
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  return `${typeof value} ${shown(JSON.stringify(value) ?? String(value))}`;
}

function shown(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
