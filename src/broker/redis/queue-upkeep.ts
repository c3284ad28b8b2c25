/**
 * The upkeep of queues that the executor which does it does not serve: whatever was ever used is cleaned by the fleet,
 * once for all executors, in bounded steps. A queue that holds nothing and that nobody has used for a day is removed
 * with all its keys. Queues that were never written down (of an earlier version, or of other producers) are found by a
 * slow walk over all keys, once a day.
 */
import { DEFAULT_QUEUE, MAX_PRIORITIES } from "../../task/options/enqueue-options.ts";
import type { StoredSchedule } from "../contract/schedules.ts";
import { type KeepingRules, removeSome } from "../removal.ts";
import { isAnswer } from "./connection/answers.ts";
import type { RedisConnections } from "./connection/connections.ts";
import { dropConsumers } from "./group-consumers.ts";
import { QUEUE_RULES_KEY, QUEUE_WALK_KEY, QUEUES_KEY, QUEUES_TENDED_KEY } from "./keys.ts";
import { AGAIN_MS, type RedisQueueRegister, rulesIn } from "./queue-register.ts";
import type { RedisRemoval } from "./records/removal.ts";
import { ONE_OF_THE_FLEET } from "./scripts/fleet.ts";
import { runScript } from "./scripts/lua.ts";
import { giveUpQueue } from "./scripts/queues.ts";
import { streamsOf } from "./streams.ts";

/** How often one executor of the fleet looks after them, and how long it goes on until it leaves the rest, in ms. */
const TEND_MS = 30_000;
const GO_ON_MS = 1_000;
/** About how many queues a page has, and how many of them are cleaned by one removal. */
const PAGE = 100;
/** After how long without use an empty queue is removed, in ms. */
const UNUSED_MS = 24 * 3_600_000;
/** How many keys one step of the walk looks at, how many steps one look makes, and after how long it begins anew. */
const WALK_KEYS = 500;
const WALK_STEPS = 10;
const WALK_EVERY_MS = 24 * 3_600_000;

/** Where queues show that are not written down: the kind of a key, how it begins, and the queue in its name. */
const SIGNS = [
  { kind: "stream", match: "te.*", queue: /^te\.\d\.([\w.-]{1,128})$/ },
  {
    kind: "zset",
    match: "taskexe:*",
    queue: /^taskexe:(?:scheduled|done|dead|cancelled|parked):([\w.-]{1,128})(?::.*)?$/,
  },
] as const;

export interface UpkeepParts {
  readonly connections: RedisConnections;
  readonly register: RedisQueueRegister;
  readonly removal: RedisRemoval;
  /** Forgets marks of cancelled tasks in these queues whose time is over. */
  readonly forgetMarks: (queues: readonly string[]) => Promise<void>;
  /** All of them, a few MB at a time. */
  readonly schedules: () => AsyncIterable<readonly StoredSchedule[]>;
  /** The queues that this executor serves: it cleans them as their own. */
  readonly served: readonly string[];
  /** What holds for a queue that no executor has ever served. */
  readonly rules: KeepingRules;
  readonly heartbeatTimeoutMs: number;
  readonly now: () => number;
  /** Default: a day. */
  readonly unusedMs: number | undefined;
}

/** What one look did. */
export interface Tended {
  /** How many records are gone. */
  readonly purged: number;
  /** The queues that are gone. */
  readonly dropped: readonly string[];
}

export class RedisQueueUpkeep {
  readonly #parts: UpkeepParts;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  /** To be called under the clean-up lock; does nothing where another executor has done it lately. */
  async tend(): Promise<Tended> {
    const { connections, now } = this.#parts;
    const isOurs = await connections.run((redis) => runScript(redis, ONE_OF_THE_FLEET, QUEUES_TENDED_KEY, TEND_MS));
    if (isOurs !== 1) return { purged: 0, dropped: [] };
    const walk = await connections.run((redis) => redis.hgetall(QUEUE_WALK_KEY));
    const found = await this.#find(walk);
    const until = now() + GO_ON_MS;
    let cursor = walk.cursor ?? "0";
    let purged = 0;
    const dropped: string[] = [];
    do {
      const [next, pairs] = await connections.run((redis) => redis.zscan(QUEUES_KEY, cursor, "COUNT", PAGE));
      const others = readScores(pairs).filter(({ name }) => !this.#parts.served.includes(name));
      purged += await this.#clean(others.map(({ name }) => name));
      // Every producer of the wire contract expects the default one to be there.
      const old = others.filter(({ name, usedAt }) => name !== DEFAULT_QUEUE && now() - usedAt > this.#unusedMs);
      dropped.push(...(await this.#giveUp(old.map(({ name }) => name))));
      cursor = next;
    } while (cursor !== "0" && now() < until);
    const progress = { ...found, ...(cursor === (walk.cursor ?? "0") ? {} : { cursor }) };
    if (Object.keys(progress).length > 0) await connections.run((redis) => redis.hset(QUEUE_WALK_KEY, progress));
    return { purged, dropped };
  }

  get #unusedMs(): number {
    // What is in use is written down once an hour only.
    const { unusedMs } = this.#parts;
    return unusedMs ?? UNUSED_MS + AGAIN_MS;
  }

  /** As their own executors would: what is over, old marks, and consumers of executors that are gone. */
  async #clean(queues: readonly string[]): Promise<number> {
    if (queues.length === 0) return 0;
    const { connections, removal, forgetMarks, heartbeatTimeoutMs, rules } = this.#parts;
    const written = await connections.run((redis) => redis.hmget(QUEUE_RULES_KEY, ...queues));
    const alike = new Map<string, { readonly rules: KeepingRules; readonly names: string[] }>();
    for (const [index, name] of queues.entries()) {
      const text = written[index] ?? "";
      const same = alike.get(text) ?? { rules: rulesIn(text) ?? rules, names: [] };
      same.names.push(name);
      alike.set(text, same);
    }
    let purged = 0;
    for (const same of alike.values()) purged += await removeSome(() => removal.step(same.names, same.rules));
    await forgetMarks(queues);
    for (const queue of queues) {
      await dropConsumers(connections, streamsOf([queue], MAX_PRIORITIES), heartbeatTimeoutMs);
    }
    return purged;
  }

  /** Of queues that were not used for long those that hold nothing, and that no schedule needs. */
  async #giveUp(queues: readonly string[]): Promise<string[]> {
    const { connections, register } = this.#parts;
    const unusedMs = this.#unusedMs;
    const candidates: string[] = [];
    for (const name of queues) {
      if (await giveUpQueue(connections, name, { unusedMs, remove: false })) candidates.push(name);
    }
    if (candidates.length === 0) return [];
    const scheduled = await this.#scheduledIn(candidates);
    // They are looked at again once a day is over.
    if (scheduled.size > 0) await register.stillUsed([...scheduled]);
    const gone: string[] = [];
    for (const name of candidates) {
      if (scheduled.has(name)) continue;
      if (await giveUpQueue(connections, name, { unusedMs, remove: true })) gone.push(name);
    }
    return gone;
  }

  /** Those that a schedule puts its tasks into. */
  async #scheduledIn(queues: readonly string[]): Promise<ReadonlySet<string>> {
    const scheduled = new Set<string>();
    for await (const some of this.#parts.schedules()) {
      for (const schedule of some) for (const queue of queuesOf(schedule)) scheduled.add(queue);
    }
    return new Set(queues.filter((queue) => scheduled.has(queue)));
  }

  /** Goes on with the walk over all keys; null: there is nothing to write down of it. */
  async #find(walk: Readonly<Record<string, string>>): Promise<Record<string, string | number> | null> {
    const { connections, register, now } = this.#parts;
    const age = now() - Number(walk.found_at ?? 0);
    if (walk.found_at !== undefined && age >= 0 && age < WALK_EVERY_MS) return null;
    let sign = Number(walk.sign ?? 0);
    let place = walk.place ?? "0";
    for (let step = 0; step < WALK_STEPS; step += 1) {
      const of = SIGNS[sign];
      if (of === undefined) break;
      const scan = ["MATCH", of.match, "COUNT", WALK_KEYS, "TYPE", of.kind];
      let reply: unknown;
      try {
        reply = await connections.run((redis) => redis.call("SCAN", place, ...scan));
      } catch (error) {
        // Redis does not let us look through its keys: what is written down is all that can be known.
        if (error instanceof Error && isAnswer(error)) return null;
        throw error;
      }
      const [next, keys]: unknown[] = Array.isArray(reply) ? reply : [];
      const names = (Array.isArray(keys) ? keys : []).flatMap((key) => of.queue.exec(String(key))?.[1] ?? []);
      if (names.length > 0) await register.found([...new Set(names)]);
      place = String(next ?? "0");
      if (place === "0") sign += 1;
    }
    return sign < SIGNS.length ? { sign, place } : { sign: 0, place: "0", found_at: Math.round(now()) };
  }
}

/** Names and scores in turn. */
function readScores(pairs: readonly string[]): { readonly name: string; readonly usedAt: number }[] {
  const all: { readonly name: string; readonly usedAt: number }[] = [];
  for (let at = 0; at + 1 < pairs.length; at += 2) all.push({ name: String(pairs[at]), usedAt: Number(pairs[at + 1]) });
  return all;
}

/** Where a schedule puts its tasks. */
export function queuesOf({ options, defaults }: Pick<StoredSchedule, "options" | "defaults">): string[] {
  return [options.queue ?? defaults?.queue ?? DEFAULT_QUEUE];
}
