/**
 * What a handler file exports -> the task definitions in it: exports themselves, and those in exported arrays and plain
 * objects, as `export const all = [...]` and `module.exports = { ... }` have them. Getters are not called, and what
 * an export throws when it is looked at makes it none.
 */
import { types } from "node:util";
import { isTaskDefinition, type TaskDefinition } from "../define-task.ts";

/** How deep arrays and objects may lie in one another. */
const MAX_DEPTH = 3;
/** How many values are looked at: an exported table of data is none of ours. */
const MAX_VALUES = 10_000;

export interface Exported {
  /** Each once, in the order of the exports. */
  readonly definitions: readonly TaskDefinition[];
  /** Where something lies that has a type and a run function, but did not come from defineTask: `all[1]`. */
  readonly bare: readonly string[];
}

/** @throws what the module throws where an export has no value yet (imports in a circle). */
export function exportedDefinitions(exports: Readonly<Record<string, unknown>>): Exported {
  const definitions = new Set<TaskDefinition>();
  const bare: string[] = [];
  const seen = new Set<unknown>();
  const look = (value: unknown, at: string, depth: number): void => {
    if (typeof value !== "object" || value === null || types.isProxy(value)) return;
    if (seen.has(value) || seen.size > MAX_VALUES) return;
    seen.add(value);
    if (isTaskDefinition(value)) definitions.add(value);
    else if (looksLikeDefinition(value)) bare.push(at);
    else if (depth < MAX_DEPTH)
      for (const [key, inner] of ownValues(value)) look(inner, inside(at, value, key), depth + 1);
  };
  for (const [name, value] of Object.entries(exports)) look(value, name, 0);
  return { definitions: [...definitions], bare };
}

/** What arrays and plain objects hold; of anything else nothing. */
function ownValues(value: object): [string, unknown][] {
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === null || prototype === Object.prototype || Array.isArray(value);
  if (!isPlain) return [];
  return Object.entries(Object.getOwnPropertyDescriptors(value))
    .slice(0, MAX_VALUES)
    .flatMap(([key, descriptor]) => ("value" in descriptor ? [[key, descriptor.value]] : []));
}

function inside(at: string, value: object, key: string): string {
  return Array.isArray(value) ? `${at}[${key}]` : `${at}.${key}`;
}

function looksLikeDefinition(value: object): boolean {
  const own = (key: string): unknown => Object.getOwnPropertyDescriptor(value, key)?.value;
  return typeof own("run") === "function" && typeof own("type") === "string";
}
