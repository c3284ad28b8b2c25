/**
 * The account of a Redis db in which all tasks have ended: SCAN gives every key, each is of a kind by its name, and
 * each kind has a rule that says why it may still be there. A key that is of no kind, or that its rule does not
 * explain, is a problem.
 */
import type { Redis } from "ioredis";
import { type Account, type Expected, few, type Kind } from "./account.ts";
import { keyNames, nameOf } from "./key-names.ts";
import { each } from "./pipelines.ts";
import { RULES, TYPES } from "./redis-rules.ts";
import { readWorld } from "./redis-world.ts";

/** How many keys one SCAN looks at. */
const STEP = 1_000;
/** Of how many keys of a kind the memory is asked for; the rest is taken to be like them. */
const MOST_WEIGHED = 200;

export async function accountOfRedis(redis: Redis, expected: Expected): Promise<Account> {
  const found = await census(redis);
  const world = await readWorld(redis, found, expected);
  const kinds: Kind[] = [];
  const problems: string[] = [];
  for (const [name, all] of found) {
    const keys = await ofType(redis, all, TYPES[name] ?? null, (key, type) => {
      problems.push(`${key}: holds a ${type}, where a ${TYPES[name]} belongs`);
    });
    kinds.push({ name, count: all.length, bytes: await weigh(redis, all) });
    const rule = RULES[name];
    if (rule === undefined) problems.push(...few(all.map((key) => `${key}: no rule explains it`)));
    else problems.push(...few(await rule(keys, world)));
  }
  return { kinds: kinds.sort((a, b) => (a.name < b.name ? -1 : 1)), problems };
}

/** Every key of the db, by the name of its kind; "" for those that are of none. */
async function census(redis: Redis): Promise<Map<string, string[]>> {
  const names = keyNames();
  const keys = new Set<string>();
  for (let cursor = "0"; ; ) {
    const [next, some] = await redis.scan(cursor, "COUNT", STEP);
    for (const key of some) keys.add(key);
    cursor = next;
    if (cursor === "0") break;
  }
  return Map.groupBy(keys, (key) => nameOf(key, names) ?? "of no kind");
}

async function ofType(
  redis: Redis,
  keys: readonly string[],
  wanted: string | null,
  other: (key: string, type: string) => void,
): Promise<string[]> {
  const types = await each(redis, keys, (pipeline, key) => pipeline.type(key));
  return keys.filter((key, index) => {
    const type = String(types[index]);
    // One whose time ended since it was seen is of none.
    if (wanted === null || type === "none" || type === wanted) return type !== "none";
    other(key, type);
    return false;
  });
}

async function weigh(redis: Redis, keys: readonly string[]): Promise<number> {
  const some = keys.slice(0, MOST_WEIGHED);
  const sizes = await each(redis, some, (pipeline, key) => pipeline.memory("USAGE", key));
  const sum = sizes.reduce<number>((all, size) => all + Number(size ?? 0), 0);
  return Math.round((sum / Math.max(1, some.length)) * keys.length);
}
