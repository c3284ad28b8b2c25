// Looking at what user code has thrown, returned, logged or told. It may be anything: an object whose getters throw, a
// proxy that was revoked, an array that only claims its length, a symbol where a text belongs. The one place that does
// so: the core stands on it, and the rest of the project imports this file where it looks at such a value.
// Promises that no look here ever throws: an error that cannot be looked at is an error all the same, and must not keep
// its nursery, its attempt or its executor from going on. What it cannot mend is user code that never comes back.

import { inspect, types } from "node:util";

/** What a value can be tested for with `instanceof`: any class, whether or not its constructor can be called. */
export interface ClassOf<T> {
  readonly prototype: T;
  [Symbol.hasInstance](value: unknown): boolean;
}

/** `instanceof`; false for a value that cannot be asked. */
export function isInstance<T>(value: unknown, Class: ClassOf<T>): value is T {
  try {
    return value instanceof Class;
  } catch {
    return false;
  }
}

/** Whether it has properties of its own to be looked at; functions count as values without any. */
export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Also true for errors of another realm. A proxy that throws counts as none. */
export function isError(value: unknown): value is object {
  if (!isObject(value)) return false;
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
  } catch {
    return false;
  }
}

/** A property; undefined where it cannot be read. */
export function read(value: object, key: string | symbol): unknown {
  try {
    return Reflect.get(value, key);
  } catch {
    return undefined;
  }
}

/** A property that should be a text; empty where it is none or cannot be read. */
export function readText(value: unknown, key: string): string {
  const found = isObject(value) ? read(value, key) : undefined;
  return typeof found === "string" ? found : "";
}

/** A value as text. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return String(value);
  } catch {
    return "(cannot be shown as text)";
  }
}

/** What an error says; anything else as text. */
export function messageOf(value: unknown): string {
  return textOf(isInstance(value, Error) ? read(value, "message") : value);
}

const MAX_SHOWN = 1_000;

/** Any value for people to read, at most 1 000 characters: texts as they are, objects with some of what is in them. */
export function shown(value: unknown): string {
  if (typeof value === "string") return clip(value, MAX_SHOWN);
  if (typeof value === "function") return "a function";
  try {
    const options = { depth: 2, maxArrayLength: 20, maxStringLength: 500, breakLength: Number.POSITIVE_INFINITY };
    return clip(inspect(value, options), MAX_SHOWN);
  } catch {
    return `${typeof value} that cannot be shown`;
  }
}

/** The value itself, or a text in the place of a proxy: what only asks whether there is a property runs its code. */
export function withoutCode(value: unknown): unknown {
  return types.isProxy(value) ? shown(value) : value;
}

/** At most `length` characters, with a note of how long it was; never half of a surrogate pair. */
export function clip(value: string, length: number): string {
  if (value.length <= length) return value.toWellFormed();
  const note = `... (cut, ${value.length} characters)`;
  return value.slice(0, length - note.length).toWellFormed() + note;
}

/** The first elements of an array, and how many it has; null where it is none. One that cannot be read is undefined. */
export function elementsOf(
  value: unknown,
  most: number,
): { readonly elements: unknown[]; readonly count: number } | null {
  let count: number;
  try {
    if (!Array.isArray(value)) return null;
    count = Number(value.length);
  } catch {
    return null;
  }
  // By index, as the array may have an iterator and methods of its own.
  const elements: unknown[] = [];
  for (let i = 0; i < Math.min(count, most); i++) elements.push(read(value, String(i)));
  return { elements, count };
}

/** The own enumerable properties, at most `most` of them, each as it could be read. */
export function ownProperties(value: object, most: number): Record<string, unknown> {
  let keys: readonly string[];
  try {
    keys = Object.keys(value);
  } catch {
    keys = [];
  }
  // From entries, so that a key like __proto__ is one as any other.
  return Object.fromEntries(keys.slice(0, most).map((key) => [key, read(value, key)]));
}

/** A value as JSON; `json` is undefined for what JSON has no word for, as JSON.stringify has it. */
export function jsonOf(
  value: unknown,
): { readonly ok: true; readonly json: string | undefined } | { readonly ok: false; readonly reason: string } {
  try {
    return { ok: true, json: JSON.stringify(value) };
  } catch (error) {
    return { ok: false, reason: clip(messageOf(error), MAX_SHOWN) };
  }
}

/** Takes the error out of a promise that nobody will wait for: unhandled, it would end the process. */
export function disown(value: unknown): void {
  if (isInstance(value, Promise)) handle(value);
}

function handle(promise: Promise<unknown>): unknown {
  try {
    return Reflect.apply(Promise.prototype.then, promise, [undefined, () => {}]);
  } catch {
    return undefined;
  }
}

const none: readonly unknown[] = [];

/** Of an array this long only what it holds is looked at: one that holds nothing may be four thousand million long. */
const LONG = 1_000_000;

/** The errors in a group. Empty for an error that is no group, and for a group that says nothing of its errors. */
export function errorsIn(error: unknown): readonly unknown[] {
  try {
    if (!(error instanceof AggregateError)) return none;
    // What answers by code of its own may answer with a new group each time, and a walk through it would never end.
    if (types.isProxy(error)) return none;
    const errors: unknown = Object.getOwnPropertyDescriptor(error, "errors")?.value;
    if (!Array.isArray(errors) || types.isProxy(errors)) return none;
    // A copy, as reading an element may throw, too; element by element, as the array may have an iterator of its own.
    if (errors.length > LONG) return Object.keys(errors).map((index) => Reflect.get(errors, index));
    const copy: unknown[] = [];
    for (let i = 0; i < errors.length; i++) copy.push(errors[i]);
    return copy;
  } catch {
    return none;
  }
}
