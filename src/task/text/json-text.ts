/**
 * JSON that is passed on as it came, key order and the spelling of numbers included. A value that was parsed has lost
 * them: 9007199254740993 is 9007199254740992 then, and a key `1` stands before a key `b`.
 */
import { randomUUID } from "node:crypto";
import { itemsOf, membersOf, numbersOf } from "./json-spans.ts";

/** A JSON value as text. Where it is written by JSON.stringify it is its value; `writeJson` writes the text itself. */
export class JsonText {
  readonly text: string;
  /** Whoever asks may be the second: a text is parsed once. */
  #value: { readonly read: unknown } | null = null;

  #isSure = false;

  /** @param text - one that JSON.parse takes. */
  constructor(text: string) {
    this.text = oneLine(text);
  }

  /** The text that JSON.stringify makes of a value: it surely is JSON. A value that JSON leaves out is null. */
  static of(value: unknown): JsonText {
    const json = new JsonText(JSON.stringify(value ?? null) ?? "null");
    json.#isSure = true;
    return json;
  }

  /** A text that was parsed already, with what came of it. */
  static parsed(text: string, value: unknown): JsonText {
    const json = new JsonText(text);
    json.#value = { read: value };
    json.#isSure = true;
    return json;
  }

  /** Whether it is known to be JSON: it was written here, or parsed before. */
  get isSure(): boolean {
    return this.#isSure;
  }

  /**
   * What JSON.parse makes of it; not to be changed, since others are given the same.
   *
   * @throws SyntaxError where it is no JSON after all.
   */
  value(): unknown {
    this.#value ??= { read: JSON.parse(this.text) };
    this.#isSure = true;
    return this.#value.read;
  }

  toJSON(): unknown {
    return this.value();
  }
}

/** The same on one line: nothing but line breaks between tokens is changed, since a string holds none as it is. */
export function oneLine(text: string): string {
  const trimmed = text.trim();
  const hasBreak = trimmed.includes("\n") || trimmed.includes("\r");
  return hasBreak ? trimmed.replace(/\r\n?|\n/g, " ") : trimmed;
}

/**
 * What was parsed from a text, with the payload of the task that it is (or of each of its `tasks`) as the text has it.
 *
 * @param value - what JSON.parse made of the text.
 */
export function withPayloadTexts(text: string, value: unknown): unknown {
  if (!isObject(value)) return value;
  const { tasks } = value;
  const several = Object.hasOwn(value, "tasks") && Array.isArray(tasks) ? tasks : null;
  if (several === null) return withPayloadText(text, 0, value);
  const from = membersOf(text).findLast(({ key }) => key === "tasks")?.from ?? 0;
  const spans = itemsOf(text, from);
  return { ...value, tasks: several.map((task, index) => withPayloadText(text, spans[index]?.from ?? 0, task)) };
}

function withPayloadText(text: string, at: number, task: unknown): unknown {
  if (!isObject(task) || !Object.hasOwn(task, "payload")) return task;
  const payload = payloadIn(text, at);
  return payload === null ? task : { ...task, payload: JsonText.parsed(payload, task.payload) };
}

/** The text of an object's `payload`, on one line; null where it has none. */
export function payloadIn(text: string, at = 0): string | null {
  // Of two keys of one name the last counts, for every parser.
  const payload = membersOf(text, at).findLast(({ key }) => key === "payload");
  return payload === undefined ? null : oneLine(text.slice(payload.from, payload.to));
}

/** A number so large that it needs a look: an exponent of three digits, or very many digits. */
const LARGE_EXPONENT = /\d[eE]\+?\d{3,}(?:[\s,\]}]|$)/;
const MANY_DIGITS = /(?<!\d)\d{200}/;

/** The first number that JSON.parse would make Infinity of, and the way to it; null where there is none. */
export function endlessNumber(text: string): { readonly path: string; readonly number: string } | null {
  if (!mayHaveEndlessNumber(text)) return null;
  for (const { from, to, path } of numbersOf(text)) {
    const number = text.slice(from, to);
    if (!Number.isFinite(Number(number))) return { path: path(), number };
  }
  return null;
}

/** False: there surely is none. Cheap enough to be asked for every message. */
export function mayHaveEndlessNumber(text: string): boolean {
  return LARGE_EXPONENT.test(text) || (text.length > 200 && MANY_DIGITS.test(text));
}

/** More digits than a number surely keeps. */
const LONG_NUMBER = /[\d.]{16}/;

/**
 * What a text says, as a value in which no two different numbers have become the same: one that a number cannot hold
 * exactly stands there as a text that no payload has.
 */
export function distinctValue(json: JsonText): unknown {
  const { text } = json;
  if (!LONG_NUMBER.test(text)) return json.value();
  let exact = "";
  let at = 0;
  for (const { from, to } of numbersOf(text)) {
    const number = text.slice(from, to);
    if (number.length < 16 || String(Number(number)) === number) continue;
    exact += text.slice(at, from) + JSON.stringify(`\0number ${number}`);
    at = to;
  }
  return JSON.parse(exact + text.slice(at));
}

/** As JSON.stringify (of what JSON has no words for, `null`), but every JsonText in it is written as it is. */
export function writeJson(value: unknown, indent = 0): string {
  if (value instanceof JsonText) return value.text;
  const texts: string[] = [];
  const mark = `json-text-${randomUUID()}-`;
  const json = JSON.stringify(
    value,
    function (this: Readonly<Record<string, unknown>>, key, written) {
      // What was to be written has passed its toJSON already: the holder still has the text.
      const given = this[key];
      if (!(given instanceof JsonText)) return written;
      return `${mark}${texts.push(given.text) - 1}`;
    },
    indent,
  );
  if (texts.length === 0) return json ?? "null";
  return json.replace(new RegExp(`"${mark}(\\d+)"`, "g"), (_, index) => texts[Number(index)] ?? "");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
