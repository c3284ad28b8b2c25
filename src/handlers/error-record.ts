/**
 * A thrown value -> ErrorRecord: groups are kept whole, causes are followed, cycles end, and everything has a bound.
 * What was left out is said in the record. Never throws, whatever was thrown.
 */
import { clip, elementsOf, isError, isObject, read, readText, shown } from "../concurrency/unknown-values.ts";
import type { ErrorRecord } from "../task/record/record.ts";

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
    else if (node.record.message === "") node.record.message = "an error without a message";
  }
  return root.record;
}

/** The messages of an error, its parts and its cause, from the outside in, joined with ` -- `. */
export function groupMessage(error: unknown): string {
  return messagesOf(toErrorRecord(error));
}

/** The same of an error that has been described already. */
export function messagesOf(described: ErrorRecord): string {
  const messages: string[] = [];
  const walk = (record: ErrorRecord) => {
    if (record.message !== "" && messages.at(-1) !== record.message) messages.push(record.message);
    for (const part of record.parts ?? []) walk(part);
  };
  walk(described);
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
  const message = readText(thrown, "message");
  if (!isObject(thrown) || (message === "" && !isError(thrown))) {
    return { name: "NonError", message: `${described(thrown)} was thrown, not an Error` };
  }
  const stack = readText(thrown, "stack");
  // Some errors of the system (a failed connection to several addresses) have a code and no message.
  const said = { name: readText(thrown, "name") || "Error", message: message || readText(thrown, "code") };
  return stack === "" ? said : { ...said, stack };
}

/** With its type in front, but where the text says that by itself. */
function described(value: unknown): string {
  if (value === undefined || value === null || typeof value === "function") return shown(value);
  return `${typeof value} ${typeof value === "string" ? `'${shown(value)}'` : shown(value)}`;
}

/** A part that stands elsewhere in the record: a cycle, or one error in two places. */
function repeated(error: object): ErrorRecord {
  const { name, message } = describe(error);
  return { name: clip(name, MAX_NAME), message: `${clip(message, MAX_REPEATED)} (told elsewhere in this record)` };
}

/** The errors of a group and then its cause, at most `room` of them; the cause goes before the last errors. */
function partsOf(error: unknown, room: number): { readonly kept: readonly unknown[]; readonly cut: number } {
  if (!isObject(error)) return { kept: [], cut: 0 };
  const cause = read(error, "cause");
  const causes = cause === undefined || cause === null ? [] : [cause];
  const { elements, count } = (isError(error) && elementsOf(read(error, "errors"), room - causes.length)) || NO_ERRORS;
  const kept = [...elements, ...causes.slice(0, room)];
  return { kept, cut: count + causes.length - kept.length };
}

const NO_ERRORS = { elements: [], count: 0 } as const;
