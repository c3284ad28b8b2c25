/**
 * A thrown value -> ErrorRecord: groups are kept whole, causes are followed, cycles end, and everything has a bound.
 * What was left out is said in the record. Never throws, whatever was thrown.
 */
import { inspect } from "node:util";
import type { ErrorRecord } from "../task/record.ts";

/** The bounds of a record: characters (UTF-16 code units), errors below the first one, and levels below it. */
export const MAX_ERROR_MESSAGE = 4000;
export const MAX_ERROR_STACK = 8000;
export const MAX_ERROR_PARTS = 50;
export const MAX_ERROR_DEPTH = 5;

const MAX_NAME = 200;
const MAX_REPEATED = 200;

interface Node {
  readonly error: unknown;
  readonly depth: number;
  readonly record: { name: string; message: string; stack?: string; parts?: ErrorRecord[] };
}

/** Describes what was thrown, with the parts of a group and the cause as the last part. */
export function toErrorRecord(error: unknown): ErrorRecord {
  const root = toNode(error, 0);
  const seen = new Set<unknown>([error]);
  const queue: Node[] = [root];
  let left = MAX_ERROR_PARTS;
  // Level by level: where not all fit, the errors near the top are the ones that tell more.
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    const depth = node.depth + 1;
    const { kept, cut } = partsOf(node.error, depth > MAX_ERROR_DEPTH ? 0 : left);
    const parts: ErrorRecord[] = kept.map((part) => {
      if (isObject(part) && seen.has(part)) return repeated(part);
      seen.add(part);
      const child = toNode(part, depth);
      queue.push(child);
      return child.record;
    });
    left -= kept.length;
    if (cut > 0)
      parts.push({ name: "Note", message: `${cut} more ${cut === 1 ? "error was" : "errors were"} left out` });
    if (parts.length > 0) node.record.parts = parts;
  }
  return root.record;
}

/** The messages of an error, its parts and its cause, from the outside in, joined with ` -- `. */
export function groupMessage(error: unknown): string {
  const messages: string[] = [];
  const walk = (record: ErrorRecord) => {
    if (record.message !== "" && messages.at(-1) !== record.message) messages.push(record.message);
    for (const part of record.parts ?? []) walk(part);
  };
  walk(toErrorRecord(error));
  return clip(messages.join(" -- "), MAX_ERROR_MESSAGE);
}

function toNode(error: unknown, depth: number): Node {
  const { name, message, stack } = describe(error);
  const record: Node["record"] = { name: clip(name, MAX_NAME), message: clip(message, MAX_ERROR_MESSAGE) };
  if (stack !== undefined) {
    // A stack opens with the message: a long one would push the frames, which are wanted, out of bounds.
    const frames = message.length > MAX_REPEATED ? stack.replace(message, () => clip(message, MAX_REPEATED)) : stack;
    record.stack = clip(frames, MAX_ERROR_STACK);
  }
  return { error, depth, record };
}

function describe(thrown: unknown): { readonly name: string; readonly message: string; readonly stack?: string } {
  const message = isObject(thrown) ? text(thrown, "message") : "";
  if (!isObject(thrown) || (message === "" && !isError(thrown))) {
    return { name: "NonError", message: `${describeValue(thrown)} was thrown, not an Error` };
  }
  const stack = text(thrown, "stack");
  // Some errors of the system (a failed connection to several addresses) have a code and no message.
  const said = { name: text(thrown, "name") || "Error", message: message || text(thrown, "code") };
  return stack === "" ? said : { ...said, stack };
}

function describeValue(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === "function") return "a function";
  try {
    const shown = inspect(value, { depth: 2, maxArrayLength: 20, maxStringLength: 500, breakLength: Infinity });
    return `${typeof value} ${clip(shown, 1000)}`;
  } catch {
    return `${typeof value} that cannot be shown`;
  }
}

/** A part that stands elsewhere in the record: a cycle, or one error in two places. */
function repeated(error: object): ErrorRecord {
  const { name, message } = describe(error);
  return { name: clip(name, MAX_NAME), message: `${clip(message, MAX_REPEATED)} (told elsewhere in this record)` };
}

/** The errors of a group and then its cause, at most `room` of them; the cause goes before the last errors. */
function partsOf(error: unknown, room: number): { readonly kept: readonly unknown[]; readonly cut: number } {
  if (!isObject(error)) return { kept: [], cut: 0 };
  const list = read(error, "errors");
  const errors: readonly unknown[] = isError(error) && Array.isArray(list) ? list : [];
  const cause = read(error, "cause");
  const causes = cause === undefined || cause === null ? [] : [cause];
  const kept = [...errors.slice(0, Math.max(0, room - causes.length)), ...causes.slice(0, room)];
  return { kept, cut: errors.length + causes.length - kept.length };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Also true for errors of another realm. A proxy that throws counts as none. */
function isError(value: object): boolean {
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
  } catch {
    return false;
  }
}

/** Reads a property of an error that may have been made by anybody: a getter that throws gives undefined. */
function read(object: object, key: string): unknown {
  try {
    return Reflect.get(object, key);
  } catch {
    return undefined;
  }
}

function text(object: object, key: string): string {
  const value = read(object, key);
  return typeof value === "string" ? value : "";
}

/** At most `length` characters, with a note of how long it was; never half of a surrogate pair. */
function clip(value: string, length: number): string {
  if (value.length <= length) return value.toWellFormed();
  const note = `... (cut, ${value.length} characters)`;
  return value.slice(0, length - note.length).toWellFormed() + note;
}
