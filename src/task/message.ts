/**
 * The message on the wire: JSON in the stream field `message`, `{"id","task_type",...}`.
 * Ours adds `payload` (what the handler gets) and, where they differ from the defaults, `taskexe` (options).
 * A foreign message (no `payload` key) is handed to its handler whole, unknown keys and all.
 * Whatever cannot be a task gets a reason that names what is wrong; nothing here throws on bad input.
 */
import * as v from "valibot";
import { DurationSchema, TimestampSchema } from "./limits.ts";

/** The type of a message that names none, and of the handler that takes it. */
export const DEFAULT_TYPE = "default";

/** The longest message that is run, in UTF-16 code units (about bytes for ASCII): 4 MiB. Longer ones end as dead. */
export const MAX_MESSAGE_LENGTH = 4 * 1024 * 1024;

/**
 * How deep a message may be nested: 500 levels. Deeper ones end as dead, since whoever reads a heartbeat, a record or
 * the message itself recurses into it, and some readers give up at 1 000.
 */
export const MAX_MESSAGE_DEPTH = 500;

/** The longest id and the longest type name, in UTF-16 code units. */
export const MAX_ID_LENGTH = 256;
export const MAX_TYPE_LENGTH = 128;
export const MAX_UNIQUE_KEY_LENGTH = 512;

/** How long to wait before the next attempt. `full jitter`: a random time between 0 and the computed delay. */
export const BackoffSchema = v.strictObject({
  kind: v.picklist(["fixed", "exponential"]),
  /** The first delay, in ms. */
  delay_ms: DurationSchema,
  /** The longest delay, in ms. */
  max_ms: v.optional(DurationSchema),
});

/** Options of one task, all optional; what is absent comes from the handler, then from the configuration. */
export const TaskOptionsSchema = v.looseObject({
  /** Which attempt the next run is, from 1. Written by the broker when it queues a retry. */
  attempt: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  /** How often it met an executor that does not know its type. Written by the broker, as `attempt` is. */
  unknown_type: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  /** How often an executor died over its earlier attempts. Written by the broker, as `attempt` is. */
  crashes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  /** How many attempts there may be in all. */
  attempts: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  backoff: v.optional(BackoffSchema),
  /** How often an executor may die over the task before it is quarantined. */
  crash_budget: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  /** How long one attempt may take, in ms. */
  timeout_ms: v.optional(DurationSchema),
  /** When the task must have ended, Unix ms on the broker's clock. */
  deadline_at: v.optional(TimestampSchema),
  /** How long the record of the ended task is kept, in ms; 0 keeps and writes none. */
  retention_ms: v.optional(DurationSchema),
  /** The key that this task holds until it has ended. */
  unique_key: v.optional(v.pipe(v.string(), v.nonEmpty(), v.maxLength(MAX_UNIQUE_KEY_LENGTH))),
});

export type Backoff = v.InferOutput<typeof BackoffSchema>;
export type TaskOptions = v.InferOutput<typeof TaskOptionsSchema>;

const IdSchema = v.pipe(
  v.string("must be a string"),
  v.nonEmpty("must not be empty"),
  v.maxLength(MAX_ID_LENGTH, `must be at most ${MAX_ID_LENGTH} characters long`),
  // Half a character cannot be written as UTF-8: it would be another id by the time it is looked for.
  v.check((id) => id.isWellFormed(), "must be text without halves of characters"),
);
export const TypeSchema = v.pipe(
  v.string("must be a string"),
  v.nonEmpty("must not be empty"),
  v.maxLength(MAX_TYPE_LENGTH, `must be at most ${MAX_TYPE_LENGTH} characters long`),
  v.check((type) => type.isWellFormed(), "must be text without halves of characters"),
);

/** What every message must have; other keys are not looked at, and kept. */
export const MessageSchema = v.object({
  id: IdSchema,
  task_type: v.optional(v.nullable(TypeSchema)),
  taskexe: v.optional(TaskOptionsSchema),
});

/** A message that can be run. */
export interface TaskMessage {
  readonly id: string;
  readonly type: string;
  /** What the handler gets: `payload` of our own messages, the whole message of foreign ones. */
  readonly payload: unknown;
  readonly options: TaskOptions;
  /** True for a message that another producer wrote (it has no `payload` key). */
  readonly foreign: boolean;
  /** The whole message as it came, for heartbeats. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export type ParsedMessage =
  | { readonly ok: true; readonly message: TaskMessage }
  /** `id` is there when the message had a usable one. */
  | { readonly ok: false; readonly reason: string; readonly id: string | null };

const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d];

const NO_OPTIONS: TaskOptions = Object.freeze({});

/** Reads the JSON of one stream entry. Never throws: what is wrong comes back as a reason. */
export function parseMessage(raw: string): ParsedMessage {
  if (raw.length > MAX_MESSAGE_LENGTH) {
    const reason = `the message is ${raw.length} characters long; at most ${MAX_MESSAGE_LENGTH} are run`;
    return { ok: false, reason, id: null };
  }
  if (isTooDeep(raw)) {
    const reason = `the message is nested deeper than ${MAX_MESSAGE_DEPTH} levels`;
    return { ok: false, reason, id: null };
  }
  let fields: unknown;
  try {
    fields = JSON.parse(raw);
  } catch (error) {
    return { ok: false, reason: `the message is not JSON: ${messageOf(error)}`, id: null };
  }
  if (!isObject(fields)) {
    return { ok: false, reason: `the message must be a JSON object, got ${describe(fields)}`, id: null };
  }
  const checked = readHead(fields, raw);
  if (!checked.success) return { ok: false, reason: reasonOf(checked.issues), id: usableId(fields) };
  const { output } = checked;
  const foreign = !("payload" in fields);
  return {
    ok: true,
    message: {
      id: output.id,
      type: output.task_type ?? DEFAULT_TYPE,
      payload: foreign ? withoutOptions(fields) : fields.payload,
      options: output.taskexe ?? NO_OPTIONS,
      foreign,
      fields,
    },
  };
}

type HeadReading =
  | { readonly success: true; readonly output: v.InferOutput<typeof MessageSchema> }
  | { readonly success: false; readonly issues: readonly v.BaseIssue<unknown>[] };

/**
 * Checks a message against its schema. On the hot path the same few options come again and again: a message whose id
 * and type are plain and whose options have passed before is not walked through again (0.8 of 3.5 microseconds).
 */
function readHead(fields: Record<string, unknown>, raw: string): HeadReading {
  const { id, task_type: type, taskexe } = fields;
  const plain = isText(id, MAX_ID_LENGTH) && (type === undefined || type === null || isText(type, MAX_TYPE_LENGTH));
  if (!plain) return v.safeParse(MessageSchema, fields);
  if (taskexe === undefined) return { success: true, output: { id, task_type: type } };
  if (raw.endsWith(lastPassed.tail))
    return { success: true, output: { id, task_type: type, taskexe: lastPassed.options } };
  const tail = raw.slice(Math.max(raw.lastIndexOf(OPTIONS_KEY), 0));
  const known = passedOptions.get(tail);
  if (known !== undefined) {
    lastPassed = known;
    return { success: true, output: { id, task_type: type, taskexe: known.options } };
  }
  const checked = v.safeParse(MessageSchema, fields);
  if (checked.success && checked.output.taskexe !== undefined && FLAT_OPTIONS.test(tail)) {
    if (passedOptions.size >= MAX_PASSED) passedOptions.clear();
    lastPassed = { tail, options: Object.freeze(checked.output.taskexe) };
    passedOptions.set(tail, lastPassed);
  }
  return checked;
}

/** How the options begin, as JSON.stringify writes them behind another key. */
const OPTIONS_KEY = ',"taskexe":';
/**
 * A message from that key to its end, where the options hold no object. It closes twice, so it is the outermost object
 * that has the key; and it ends there, so no later key of the same name counts. Within a string the quotes would be
 * escaped. So two messages that end in the same way have the same options.
 */
const FLAT_OPTIONS = /^,"taskexe":\{[^{}]{1,500}\}\}$/;

/** Options that have passed the schema, and how their message ended. */
interface PassedOptions {
  readonly tail: string;
  readonly options: TaskOptions;
}

const passedOptions = new Map<string, PassedOptions>();
const MAX_PASSED = 256;
/** Those of the last message that had any: most that follow have the same. At first a tail that no message has. */
let lastPassed: PassedOptions = { tail: `${OPTIONS_KEY}no message ends like this`, options: NO_OPTIONS };

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === "string" && value !== "" && value.length <= maxLength && value.isWellFormed();
}

/** Writes the JSON of one task. `options` is left out when it is empty. */
export function formatMessage(task: {
  readonly id: string;
  readonly type: string;
  readonly payload: unknown;
  readonly options?: TaskOptions;
}): string {
  const { id, type, payload = null, options } = task;
  const head = { id, task_type: type, payload };
  return JSON.stringify(options && Object.keys(options).length > 0 ? { ...head, taskexe: options } : head);
}

/**
 * The same message with other options, as a retry writes it.
 *
 * @param raw - the message as it came, since handlers may change the objects that they are given.
 */
export function withOptions(raw: string, options: TaskOptions): string {
  return JSON.stringify({ ...JSON.parse(raw), taskexe: options });
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
  const text = JSON.stringify(value) ?? String(value);
  return `${typeof value} ${text.length > 60 ? `${text.slice(0, 60)}...` : text}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
