/** Redis past the broker: ages leases, times and records, and compares every key with the model. */
import assert from "node:assert/strict";
import { Redis } from "ioredis";
import { readEntries, readPending } from "../../src/broker/redis/connection/replies.ts";
import {
  CANCELLED_KEY,
  cancelFlagKey,
  cancelledKey,
  deadKey,
  doneKey,
  EXPELLED_KEY,
  FOREIGN_QUEUES_KEY,
  GROUP,
  LEFT_ENTRIES_KEY,
  LEFT_TO_OTHERS_KEY,
  NOBODYS_KEY,
  PARKED_TYPES_KEY,
  PAUSED_KEY,
  parkedKey,
  parkedName,
  QUEUE_RULES_KEY,
  QUEUE_WALK_KEY,
  QUEUES_KEY,
  QUEUES_TENDED_KEY,
  REMOVING_KEY,
  recordKey,
  scheduledKey,
  streamKey,
  uniqueKey,
  VANISHED_KEY,
  VOID_ENTRIES_KEY,
  waitingCancelledKey,
} from "../../src/broker/redis/keys.ts";
import { type RecordFields, unpack } from "../../src/broker/redis/records/codec.ts";
import { RedisBroker } from "../../src/broker/redis/redis-broker.ts";
import { parseMessage } from "../../src/task/message/message.ts";
import type { RedisServer } from "../stage/redis/server.ts";
import type { Model, ModelTask } from "./model.ts";
import { LEASE_MS, NAMES, QUEUES, type Raw, TYPES, trueNow } from "./system.ts";

const STREAMS = QUEUES.flatMap((queue) => [0, 1].map((priority) => streamKey(queue, priority)));
const DAY = 86_400_000;
const FLEET_KEYS = [...NAMES, "TASKEXE"];
const INDEX_OF = { done: doneKey, dead: deadKey, cancelled: cancelledKey };

export async function redisRaw(server: RedisServer): Promise<Raw> {
  const redis = new Redis(server.url, { replyMapping: "legacy" });
  await redis.flushall();

  async function entriesOf(stream: string) {
    const pending = readPending(
      (await redis.exists(stream)) ? await redis.call("XPENDING", stream, GROUP, "-", "+", 1000).catch(() => []) : [],
    );
    // One that has ended and is left, and those of tasks that are gone, are no task's.
    const left = await redis.hget(LEFT_ENTRIES_KEY, stream);
    const voids = await redis.zrange(VOID_ENTRIES_KEY, "0", "-1");
    const entries = readEntries(await redis.xrange(stream, "-", "+"));
    const tasks = entries.filter(([entry]) => entry !== left && !voids.includes(`${stream} ${entry}`));
    return tasks.map(([entry, fields]) => {
      const message = parseMessage(Array.isArray(fields) ? String(fields[1]) : "");
      assert.ok(message.ok);
      return { entry, id: message.message.id, holder: pending.find((each) => each.entry === entry)?.consumer ?? null };
    });
  }

  async function leased(name: string) {
    const all = await Promise.all(STREAMS.map(async (stream) => ({ stream, entries: await entriesOf(stream) })));
    return all.flatMap(({ stream, entries }) =>
      entries.filter(({ holder }) => holder === name).map(({ entry, id }) => ({ stream, entry, id })),
    );
  }

  async function recordOf(id: string): Promise<RecordFields> {
    const packed = await redis.getBuffer(recordKey(id));
    assert.ok(packed, `there is no record of ${id}`);
    const record = unpack(id, packed);
    assert.ok(record, `the record of ${id} cannot be read`);
    return record.fields;
  }

  /** Every sorted set of a queue holds the tasks of its state, and nothing else. */
  async function checkIndexes(model: Model): Promise<void> {
    for (const queue of QUEUES) {
      const here = (tasks: readonly ModelTask[]) =>
        tasks
          .filter((task) => task.queue === queue)
          .map(({ id }) => id)
          .sort();
      const members = async (key: string) => (await redis.zrange(key, "0", "-1")).sort();
      assert.deepEqual(await members(scheduledKey(queue)), here(model.in("scheduled", "retrying")), "scheduled");
      assert.deepEqual(await members(doneKey(queue)), here(model.in("done")), "done");
      assert.deepEqual(await members(deadKey(queue)), here(model.in("dead")), "dead");
      assert.deepEqual(await members(cancelledKey(queue)), here(model.in("cancelled")), "cancelled");
      assert.deepEqual(await members(waitingCancelledKey(queue)), here(model.ghosts()), "waiting, cancelled");
      for (const type of TYPES) {
        const parked = model.in("queued").filter((task) => task.parked && task.type === type);
        assert.deepEqual(await members(parkedKey(queue, type)), here(parked), `parked ${type}`);
        const named = await redis.sismember(PARKED_TYPES_KEY, parkedName(queue, type));
        if (here(parked).length > 0) assert.equal(named, 1, `${type} is known to be parked`);
      }
    }
  }

  /** Every entry is that of one task, and every task that waits or runs has one. */
  async function checkStreams(model: Model): Promise<void> {
    const entries = (await Promise.all(STREAMS.map(entriesOf))).flat();
    const expected = [...model.tasks.values()].filter(
      ({ state, parked, ghost }) => ghost || ((state === "queued" || state === "running") && !parked),
    );
    const told = (each: { readonly id: string; readonly holder: string | null }) => `${each.id} of ${each.holder}`;
    assert.deepEqual(entries.map(told).sort(), expected.map(told).sort(), "the entries of the streams");
  }

  async function checkFlags(model: Model): Promise<void> {
    const flags = (await redis.keys("*-cancel")).sort();
    assert.deepEqual(flags, [...model.flags].map(cancelFlagKey).sort(), "the cancel flags");
    for (const flag of flags) {
      const ttl = await redis.pttl(flag);
      assert.ok(ttl > 0 && ttl <= 30 * DAY, `the flag ${flag} lasts ${ttl} ms`);
    }
    const marks = await redis.zrange(CANCELLED_KEY, "0", "-1");
    assert.deepEqual(
      marks.filter((id) => !model.flags.has(id)),
      [],
      "marks without a flag",
    );
  }

  async function checkKeys(model: Model): Promise<void> {
    const holders = await Promise.all(
      [...model.keys].map(async ([name, { id, timed }]) => {
        const key = uniqueKey(name.slice(0, 1), name.slice(2));
        assert.equal(await redis.get(key), id, `who holds ${name}`);
        assert.equal((await redis.pttl(key)) > 0, timed, `whether ${name} ends by itself`);
        return key;
      }),
    );
    const records = [...model.tasks.values()].filter(({ recorded }) => recorded).map(({ id }) => recordKey(id));
    const keys = await redis.keys("*");
    const known = new Set([...STREAMS, ...FLEET_KEYS, ...holders, ...records]);
    const indexes = /^taskexe:(scheduled|done|dead|cancelled|waiting-cancelled|parked):/;
    const sets = [PAUSED_KEY, PARKED_TYPES_KEY, CANCELLED_KEY, VANISHED_KEY, EXPELLED_KEY, REMOVING_KEY, NOBODYS_KEY];
    sets.push(LEFT_ENTRIES_KEY, LEFT_TO_OTHERS_KEY, VOID_ENTRIES_KEY);
    sets.push(QUEUES_KEY, QUEUE_RULES_KEY, FOREIGN_QUEUES_KEY, QUEUE_WALK_KEY, QUEUES_TENDED_KEY);
    const strange = keys.filter((key) => !known.has(key) && !sets.includes(key) && !indexes.test(key));
    assert.deepEqual(
      strange.filter((key) => !key.endsWith("-cancel")),
      [],
      "keys that belong to nothing",
    );
    for (const key of [...holders, ...records]) assert.ok(keys.includes(key), `there is no ${key}`);
  }

  return {
    url: server.url,
    traits: {
      recordless: true,
      keepsCancelled: true,
      ghosts: true,
      everyEndDropsFlag: false,
      ownClock: true,
      reclaimsOwn: true,
      parksInLine: false,
    },
    make: (options) => new RedisBroker(server.url, options),
    leasedBy: async (name) => (await leased(name)).map(({ id }) => id),
    async expireLeases(name) {
      for (const { stream, entry } of await leased(name)) {
        await redis.call("XCLAIM", stream, GROUP, name, 0, entry, "IDLE", 2 * LEASE_MS, "JUSTID");
      }
    },
    async makeDue({ id, queue }) {
      await redis.zadd(scheduledKey(queue), "XX", trueNow() - 1000, id);
    },
    async expireRecord({ id, queue, state }) {
      if (state !== "done" && state !== "dead" && state !== "cancelled") return;
      await redis.zadd(INDEX_OF[state](queue), "XX", trueNow() - 40 * DAY, id);
    },
    async keepRecords() {
      for (const queue of QUEUES) {
        for (const id of await redis.zrange(cancelledKey(queue), "0", "-1")) {
          const keptMs = Number(await redis.zscore(cancelledKey(queue), id)) - Number((await recordOf(id)).finished_at);
          assert.ok(keptMs >= 60_000, `the cancelled ${id} is kept for ${keptMs} ms`);
          await redis.zadd(cancelledKey(queue), "XX", "GT", trueNow() + DAY, id);
        }
      }
    },
    async expireKey(queue, key) {
      await redis.del(uniqueKey(queue, key));
    },
    async check(model) {
      await checkIndexes(model);
      await checkStreams(model);
      await checkFlags(model);
      await checkKeys(model);
    },
    async checkEmpty() {
      for (const stream of STREAMS) assert.equal(await redis.xlen(stream), 0, stream);
    },
    async end() {
      redis.disconnect();
    },
  };
}
