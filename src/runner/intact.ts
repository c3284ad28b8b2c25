/**
 * Whether what all attempts of a runner use is as it was when its files had been imported. One that replaces
 * `Promise.prototype.then` or `setTimeout` while it runs makes its neighbours fail, who have done nothing: such a
 * runner has to end before it tells of their failures, so that they run again elsewhere.
 */

const TIMERS = [
  "setTimeout",
  "clearTimeout",
  "setInterval",
  "clearInterval",
  "setImmediate",
  "queueMicrotask",
] as const;

const WATCHED: readonly (readonly [name: string, holder: object, keys: readonly PropertyKey[]])[] = [
  [
    "globalThis",
    globalThis,
    [...TIMERS, "Promise", "Array", "Object", "Map", "Set", "JSON", "Error", "AbortController"],
  ],
  ["Promise", Promise, ["all", "allSettled", "race", "resolve", "reject", "withResolvers"]],
  ["JSON", JSON, ["parse", "stringify"]],
  ...[Promise, Array, Map, Set, String, Function, AbortSignal, EventTarget].map(
    (made) => [`${made.name}.prototype`, made.prototype, Reflect.ownKeys(made.prototype)] as const,
  ),
];

/** Takes note of them as they are now. @returns what tells the first that is another one; null: none is. */
export function noteGlobals(): () => string | null {
  // Nothing below may need what it looks after: plain loops over what is held here.
  const names: string[] = [];
  const holders: object[] = [];
  const keys: PropertyKey[] = [];
  const values: unknown[] = [];
  const { get } = Reflect;
  for (const [name, holder, own] of WATCHED) {
    for (const key of own) {
      const found = Reflect.getOwnPropertyDescriptor(holder, key);
      if (found === undefined || !("value" in found) || typeof found.value !== "function") continue;
      names.push(`${name}${typeof key === "symbol" ? `[${key.description}]` : `.${String(key)}`}`);
      holders.push(holder);
      keys.push(key);
      values.push(found.value);
    }
  }
  const count = names.length;
  return () => {
    for (let at = 0; at < count; at++) {
      if (get(holders[at] as object, keys[at] as PropertyKey) !== values[at]) return names[at] as string;
    }
    return null;
  };
}
