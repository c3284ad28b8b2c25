/**
 * The name of every Redis key as docs/bounds.md has it: the key builders themselves, called with their parameters'
 * names in capitals (`taskexe:task:ID`). So a new key has a name here without anybody writing it down, and whoever
 * reads the document or counts the keys finds that it lacks.
 */
import * as keys from "../../../src/broker/redis/keys.ts";

export interface KeyName {
  readonly name: string;
  /** Which keys are of that kind. */
  readonly pattern: RegExp;
}

/** An executor's heartbeats stand under its own name, which no builder makes. */
export const BEATS: KeyName = { name: "NAME", pattern: /^[\w.:@-]{1,200}$/ };

/** What a parameter of a builder may be. */
const PARTS: Readonly<Record<string, string>> = {
  QUEUE: "([\\w.-]{1,128})",
  PRIORITY: "(\\d)",
};

/** All of them, those of one key before those of many, and the beats last. */
export function keyNames(): readonly KeyName[] {
  const names = new Set(Object.entries(keys).flatMap(([name, value]) => namesOf(name, value)));
  const all = [...names].map((name) => ({ name, pattern: patternOf(name) }));
  return [...all.sort((a, b) => rank(a.name) - rank(b.name)), BEATS];
}

/** Of which kind a key is; null: of none. */
export function nameOf(key: string, names: readonly KeyName[]): string | null {
  return names.find(({ pattern }) => pattern.test(key))?.name ?? null;
}

/** What stands in a key where its kind has a parameter, in order. */
export function partsOf(key: string, name: string): string[] {
  return patternOf(name).exec(key)?.slice(1) ?? [];
}

function namesOf(exported: string, value: unknown): string[] {
  if (typeof value === "string") return exported.endsWith("_KEY") ? [value] : [];
  if (typeof value !== "function" || !exported.endsWith("Key")) return [];
  const parameters = /^[^(]*\(([^)]*)\)/.exec(String(value))?.[1] ?? "";
  const words = parameters.split(",").map((word) => word.trim().split(/[ :=]/, 1)[0]?.toUpperCase() ?? "");
  // An id that begins as our own keys do may have another place.
  const own = words.map((word) => (word === "ID" ? "taskexe:ID" : word));
  return [words, own].map((given) => String(Reflect.apply(value, undefined, given))).filter(isOther);
}

function isOther(name: string, index: number, all: readonly string[]): boolean {
  return index === 0 || !patternOf(all[0] ?? "").test(name);
}

function patternOf(name: string): RegExp {
  const source = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\b[A-Z]+\b/g, (word) => {
    if (name === word) return word;
    return PARTS[word] ?? "(.+)";
  });
  return new RegExp(`^${source}$`, "s");
}

/** A key of our own prefix is never taken for one whose name is free at its beginning. */
function rank(name: string): number {
  if (!/[A-Z]/.test(name.replace(/^[A-Z]+$/, ""))) return 0;
  return /^[a-z]/.test(name) ? 1 : 2;
}
