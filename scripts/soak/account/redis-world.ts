/** What the rules of the account need to know of a Redis db, read once. */
import type { Redis } from "ioredis";
import {
  cancelledKey,
  deadKey,
  doneKey,
  EXECUTORS_KEY,
  parkedKey,
  recordKey,
  scheduledKey,
  streamKey,
} from "../../../src/broker/redis/keys.ts";
import { HEAD_BYTES, unpack } from "../../../src/broker/redis/records/codec.ts";
import type { Expected } from "./account.ts";
import { partsOf } from "./key-names.ts";
import { each } from "./pipelines.ts";

export interface World {
  readonly redis: Redis;
  readonly expected: Expected;
  /** Redis' own clock, Unix ms. */
  readonly now: number;
  /** The keys of each kind. */
  readonly found: ReadonlyMap<string, readonly string[]>;
  /** Names of executors that are registered. */
  readonly registered: ReadonlySet<string>;
  /** Of each state of ended tasks their ids, with the score of each, from all queues' indexes. */
  readonly ended: Readonly<Record<"done" | "cancelled" | "dead", ReadonlyMap<string, number>>>;
  /** Ids that wait for a time, or for their type to be resumed. */
  readonly waiting: ReadonlySet<string>;
  /** The state of each id that has a record. */
  readonly states: ReadonlyMap<string, string>;
  /** How many entries the streams of a queue have. */
  readonly entries: ReadonlyMap<string, number>;
  /** In ms, -1: none, -2: the key is gone. */
  ttls(keys: readonly string[]): Promise<number[]>;
}

export async function readWorld(
  redis: Redis,
  found: ReadonlyMap<string, readonly string[]>,
  expected: Expected,
): Promise<World> {
  const keysOf = (name: string): readonly string[] => found.get(name) ?? [];
  const scores = (name: string): Promise<ReadonlyMap<string, number>> => membersOf(redis, keysOf(name));
  const [s, us] = await redis.time();
  const [done, cancelled, dead, scheduled, parked] = await Promise.all([
    scores(doneKey("QUEUE")),
    scores(cancelledKey("QUEUE")),
    scores(deadKey("QUEUE")),
    scores(scheduledKey("QUEUE")),
    scores(parkedKey("QUEUE", "TYPE")),
  ]);
  return {
    redis,
    expected,
    now: Number(s) * 1_000 + Number(us) / 1_000,
    found,
    registered: new Set(await typed(redis, EXECUTORS_KEY, "set", () => redis.smembers(EXECUTORS_KEY))),
    ended: { done, cancelled, dead },
    waiting: new Set([...scheduled.keys(), ...parked.keys()]),
    states: await statesOf(redis, keysOf(recordKey("ID"))),
    entries: await entriesOf(redis, keysOf(STREAM)),
    ttls: async (keys) => (await each(redis, keys, (pipeline, key) => pipeline.pttl(key))).map(Number),
  };
}

/** The name of the kind of streams. */
export const STREAM = String(Reflect.apply(streamKey, undefined, ["QUEUE", "PRIORITY"]));

async function membersOf(redis: Redis, keys: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const members = new Map<string, number>();
  for (const key of keys) {
    const flat = await typed(redis, key, "zset", () => redis.zrange(key, "0", "-1", "WITHSCORES"));
    for (let at = 0; at < flat.length; at += 2) members.set(flat[at] ?? "", Number(flat[at + 1]));
  }
  return members;
}

async function statesOf(redis: Redis, keys: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const heads = await each(redis, keys, (pipeline, key) => pipeline.getrangeBuffer(key, 0, HEAD_BYTES - 1));
  return new Map(
    keys.map((key, index) => {
      const [id = ""] = partsOf(key, recordKey("ID"));
      const head = heads[index];
      return [id, Buffer.isBuffer(head) ? (unpack(id, head)?.fields.state ?? "") : ""];
    }),
  );
}

async function entriesOf(redis: Redis, keys: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const lengths = await each(redis, keys, (pipeline, key) => pipeline.xlen(key));
  const sums = new Map<string, number>();
  for (const [index, key] of keys.entries()) {
    const queue = partsOf(key, STREAM)[1] ?? "";
    sums.set(queue, (sums.get(queue) ?? 0) + Number(lengths[index]));
  }
  return sums;
}

/** What is of another type counts as empty here; that it is, is told elsewhere. */
async function typed(redis: Redis, key: string, type: string, read: () => Promise<string[]>): Promise<string[]> {
  return (await redis.type(key)) === type ? read() : [];
}
