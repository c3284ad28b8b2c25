/**
 * What JSON cannot say of a value. JSON.stringify makes null of NaN and of a hole in an array, `{}` of a Map, and
 * nothing at all of a function: whoever reads the task would never learn of it, so it is told before the task is sent.
 */
import { pathStep } from "./json-spans.ts";

/** A place in a value, and what is there. */
export interface Unwritable {
  /** Like `.a[3]`; empty for the value itself. */
  readonly path: string;
  readonly what: string;
}

/** Objects of which JSON keeps nothing, though there is something in them. */
const EMPTIED = [Map, Set, WeakMap, WeakSet, Promise, RegExp, Error, ArrayBuffer];

/**
 * The first place whose value JSON would change or leave out; null: JSON says all of it. A property that is undefined
 * is left out by JSON, and reading it gives undefined all the same, so that is none.
 *
 * @param depth - how many levels it may have.
 * @throws whatever a getter or a toJSON of the value throws.
 */
export function unwritablePart(value: unknown, depth: number): Unwritable | null {
  return walk(value, depth, { keys: [], objects: [] });
}

/** The way to where the walk is: the keys, and the objects that they were read from. */
interface Way {
  readonly keys: (string | number)[];
  readonly objects: object[];
}

function walk(value: unknown, depth: number, way: Way): Unwritable | null {
  switch (typeof value) {
    case "string":
    case "boolean":
      return null;
    case "number":
      return Number.isFinite(value) ? null : found(way, `${value}, which JSON has no number for`);
    case "undefined":
      return found(way, "undefined, which would be null");
    case "bigint":
      if ("toJSON" in BigInt.prototype) return null;
      return found(way, "a BigInt: give it as text, or as a number where it is small enough");
    case "function":
    case "symbol":
      return found(way, `a ${typeof value}`);
    case "object":
      return value === null ? null : walkObject(value, depth, way);
  }
}

function walkObject(value: object, depth: number, way: Way): Unwritable | null {
  if (isPlain(value)) return walkParts(value, depth, way);
  if (value instanceof Date && Number.isNaN(value.getTime())) return found(way, "a Date without a time");
  if (value instanceof Number) return walk(Number(value), depth, way);
  if ("toJSON" in value && typeof value.toJSON === "function") {
    const written: unknown = value.toJSON(String(way.keys.at(-1) ?? ""));
    // One that gives itself is walked as it is, or it would be asked for ever.
    if (written !== value)
      return typeof written === "object" ? walkParts(written, depth, way) : walk(written, depth, way);
  }
  const emptied = EMPTIED.find((Class) => value instanceof Class);
  if (emptied !== undefined) return found(way, `a ${emptied.name}, of which JSON keeps nothing`);
  return walkParts(value, depth, way);
}

/** An object or an array of no other class, without a toJSON: most are. */
function isPlain(value: object): boolean {
  if ("toJSON" in value) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype;
}

function walkParts(value: object | null, depth: number, way: Way): Unwritable | null {
  if (value === null) return null;
  if (depth === 0) return tooDeep(value, way);
  way.objects.push(value);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const bad = walkPart(value[index], index, depth, way);
      if (bad !== null) return bad;
    }
  } else {
    const parts: Readonly<Record<string, unknown>> = { ...value };
    for (const key of Object.keys(parts)) {
      const part = parts[key];
      if (part === undefined) continue;
      const bad = walkPart(part, key, depth, way);
      if (bad !== null) return bad;
    }
  }
  way.objects.pop();
  return null;
}

function walkPart(part: unknown, key: string | number, depth: number, way: Way): Unwritable | null {
  if (typeof part === "string" || typeof part === "boolean" || part === null) return null;
  way.keys.push(key);
  const bad = walk(part, depth - 1, way);
  way.keys.pop();
  return bad;
}

/** Too deep, or without an end: then an object is met again on the way to itself. */
function tooDeep(value: object, { keys, objects }: Way): Unwritable {
  const all = [...objects, value];
  for (const [again, object] of all.entries()) {
    const first = all.indexOf(object);
    if (first === again) continue;
    const whole = first === 0 ? "the payload itself" : `payload${pathOf(keys.slice(0, first))}`;
    return { path: pathOf(keys.slice(0, again)), what: `${whole} once more: it has no end` };
  }
  return { path: pathOf(keys.slice(0, 5)), what: `nested deeper than ${objects.length} levels` };
}

function found({ keys }: Way, what: string): Unwritable {
  return { path: pathOf(keys), what };
}

function pathOf(keys: readonly (string | number)[]): string {
  return keys.map((key) => (typeof key === "number" ? `[${key}]` : pathStep(key))).join("");
}
