/**
 * The language in which people say which tasks they want to see: `state:dead type:mail.* error:"not found" run>5m`.
 * Terms stand side by side, and all of them must hold. What stands in quotes is one value; `*` at the end of a value
 * stands for any text. A misspelt key is a mistake, as in every filter.
 */
import * as v from "valibot";
import { TypeSchema } from "../../task/message/message-schema.ts";
import { InvalidTaskError, told } from "../../task/message/new-task.ts";
import { parseDuration } from "../../task/times/durations.ts";
import { FILTERS } from "../filters.ts";

/** How long a query may be, and of how many terms. */
export const MAX_QUERY_LENGTH = 2_000;
const MOST_TERMS = 20;

/** A text to be met: as a whole, or by its beginning. */
export interface Wanted {
  readonly text: string;
  readonly isPrefix: boolean;
}

/** A number to be above or below. */
export interface Bound {
  readonly is: ">" | "<";
  readonly value: number;
}

export interface PayloadTerm {
  /** The names on the way: `payload.user.id` is ["user", "id"]. */
  readonly path: readonly string[];
  readonly wanted: Wanted | Bound;
}

/** What a query says; what is absent is not asked for. */
export interface TaskQuery {
  /** What brokers have indexes for, as lists take it. */
  readonly state?: v.InferOutput<typeof FILTERS.list.state>;
  readonly queue?: string;
  readonly type?: Wanted;
  readonly id?: Wanted;
  readonly executor?: Wanted;
  /** What the last error says, somewhere in its name or message, in any case. */
  readonly error?: string;
  readonly payload: readonly PayloadTerm[];
  /** Since it was enqueued, and how long it ran or runs, in ms. */
  readonly age: readonly Bound[];
  readonly run: readonly Bound[];
  readonly attempt: readonly Bound[];
  /** Words without a key, each to be found in the id, the type or the error, in any case. */
  readonly words: readonly string[];
}

type Building = {
  -readonly [K in keyof TaskQuery]: TaskQuery[K] extends readonly (infer Item)[] ? Item[] : TaskQuery[K];
};

const TERM = /(?:([a-z]+(?:\.[^\s:<>"]+)?)([:<>]))?(?:"([^"]*)"|(\S+))/gy;

/** The keys, as they are told to whoever used another one. */
export const QUERY_KEYS = [
  "id:",
  "type:",
  "queue:",
  "state:",
  "executor:",
  "error:",
  "payload.PATH:",
  "age>",
  "run>",
].concat("attempt>");

/**
 * Reads a query.
 *
 * @throws InvalidTaskError that says what was expected, what came, and where.
 */
export function readQuery(text: string): TaskQuery {
  if (text.length > MAX_QUERY_LENGTH) throw wrong(`must be at most ${MAX_QUERY_LENGTH} characters`);
  const query: Building = { payload: [], age: [], run: [], attempt: [], words: [] };
  const terms = termsOf(text);
  if (terms.length > MOST_TERMS) throw wrong(`must have at most ${MOST_TERMS} terms, got ${terms.length}`);
  for (const { key, is, value } of terms) {
    if (key === null) query.words.push(value);
    else add(query, key, is, value);
  }
  return query;
}

interface Term {
  readonly key: string | null;
  readonly is: ":" | ">" | "<";
  readonly value: string;
}

function termsOf(text: string): Term[] {
  const terms: Term[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text.charAt(at))) {
      at++;
      continue;
    }
    TERM.lastIndex = at;
    const match = TERM.exec(text);
    // A lone quote: it is a word of its own.
    const [whole, key, is, quoted, plain] = match ?? [text.charAt(at)];
    at += whole.length;
    const value = quoted ?? plain ?? whole;
    const lone = key === undefined && quoted === undefined && /^[a-z]+(?:\.[^\s:<>"]+)?[:<>]$/.test(value);
    if (lone || (value === "" && key !== undefined)) throw wrong(`${lone ? value : `${key}${is}`} has no value`);
    if (value !== "") terms.push({ key: key ?? null, is: (is ?? ":") as Term["is"], value });
  }
  return terms;
}

function add(query: Building, key: string, is: Term["is"], value: string): void {
  if (key.startsWith("payload.")) {
    const wanted = is === ":" ? wantedOf(value) : { is, value: numberIn(`${key}${is}`, value) };
    query.payload.push({ path: key.slice("payload.".length).split("."), wanted });
  } else if (key === "age" || key === "run") query[key].push(boundOf(key, is, value, durationIn));
  else if (key === "attempt") query.attempt.push(boundOf(key, is, value, numberIn));
  else if (is !== ":") throw wrong(`${key} takes a colon and a value, got ${key}${is}`);
  else addText(query, key, value);
}

function addText(query: Building, key: string, value: string): void {
  if (key in query) throw wrong(`${key}: was given twice`);
  switch (key) {
    case "state":
      query.state = checked(FILTERS.list.state, key, value);
      return;
    case "queue":
      query.queue = checked(FILTERS.list.queue, key, value) ?? value;
      return;
    case "type":
      query.type = wantedOf(value);
      if (!query.type.isPrefix) checked(TypeSchema, key, value);
      return;
    case "id":
    case "executor":
      query[key] = wantedOf(value);
      return;
    case "error":
      query.error = value.toLowerCase();
      return;
    default:
      throw wrong(`${JSON.stringify(key.slice(0, 60))} is none of ${QUERY_KEYS.join(" ")}`);
  }
}

function wantedOf(value: string): Wanted {
  const isPrefix = value.endsWith("*");
  return { text: isPrefix ? value.slice(0, -1) : value, isPrefix };
}

function boundOf(key: string, is: Term["is"], value: string, read: (key: string, value: string) => number): Bound {
  if (is === ":") throw wrong(`${key} takes > or <, as in ${key}>${key === "attempt" ? "2" : "5m"}`);
  return { is, value: read(`${key}${is}`, value) };
}

function durationIn(key: string, value: string): number {
  const ms = parseDuration(value);
  if (ms === null)
    throw wrong(`${key} takes a duration like 30s, 5m, 1h or 2d, got ${JSON.stringify(value.slice(0, 60))}`);
  return ms;
}

function numberIn(key: string, value: string): number {
  const number = Number(value);
  if (!Number.isFinite(number)) throw wrong(`${key} takes a number, got ${JSON.stringify(value.slice(0, 60))}`);
  return number;
}

function checked<Schema extends v.GenericSchema>(schema: Schema, key: string, value: string): v.InferOutput<Schema> {
  const read = v.safeParse(schema, value);
  if (!read.success) throw wrong(`${key}: ${told(read.issues)}`);
  return read.output;
}

function wrong(what: string): InvalidTaskError {
  return new InvalidTaskError(`q: ${what}`);
}
