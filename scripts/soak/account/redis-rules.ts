/**
 * Why a key may still be there once all tasks have ended: one rule for each kind of docs/bounds.md, and the type that
 * keys of that kind have. A rule gives a sentence for each thing that it does not explain.
 */

import { MOST_AUDIT_ENTRIES } from "../../../src/broker/contract/audit.ts";
import { readBeat } from "../../../src/broker/contract/heartbeat.ts";
import {
  AUDIT_KEY,
  CANCELLED_KEY,
  cancelFlagKey,
  cancelledKey,
  deadKey,
  doneKey,
  EXECUTORS_KEY,
  EXPELLED_KEY,
  FOREIGN_QUEUES_KEY,
  GROUP,
  LEFT_ENTRIES_KEY,
  LEFT_TO_OTHERS_KEY,
  LOCK_FENCE_KEY,
  LOCK_KEY,
  logKey,
  logOrderKey,
  logSizesKey,
  NOBODYS_KEY,
  ON_CANCELLED_KEY,
  orderKey,
  PARKED_TYPES_KEY,
  PAUSED_KEY,
  PROBE_KEY,
  parkedKey,
  parkedName,
  QUEUE_RULES_KEY,
  QUEUE_WALK_KEY,
  QUEUES_KEY,
  QUEUES_TENDED_KEY,
  REMOVING_KEY,
  recordKey,
  SCHEDULE_STATES_KEY,
  SCHEDULE_TIMES_KEY,
  SCHEDULES_DUE_KEY,
  SCHEDULES_KEY,
  SCHEDULES_PUT_KEY,
  SCHEDULES_PUTS_KEY,
  scheduledKey,
  sourceKey,
  uniqueKey,
  VANISHED_KEY,
  VOID_ENTRIES_KEY,
  waitingCancelledKey,
} from "../../../src/broker/redis/keys.ts";
import { SLACK_MS } from "./account.ts";
import { BEATS, partsOf } from "./key-names.ts";
import { STREAM, type World } from "./redis-world.ts";

export type Rule = (keys: readonly string[], world: World) => Promise<readonly string[]> | readonly string[];

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** A consumer is removed that was silent for so many heartbeat timeouts. */
const SILENT_TIMEOUTS = 30;
/** How many queues are known at the most. */
const MOST_QUEUES = 100_000;
/** How many entries that are nobody's are remembered at the most. */
const MOST_NOBODYS = 10_000;
const OWN_FLAG = cancelFlagKey("taskexe:ID");

export const TYPES: Readonly<Record<string, string>> = {
  [EXECUTORS_KEY]: "set",
  [LOCK_KEY]: "string",
  [LOCK_FENCE_KEY]: "string",
  [AUDIT_KEY]: "stream",
  [EXPELLED_KEY]: "string",
  [orderKey("EXECUTOR")]: "string",
  [REMOVING_KEY]: "string",
  [PROBE_KEY]: "string",
  [cancelFlagKey("ID")]: "string",
  [OWN_FLAG]: "string",
  [uniqueKey("QUEUE", "KEY")]: "string",
  [SCHEDULES_PUTS_KEY]: "string",
  [STREAM]: "stream",
  [recordKey("ID")]: "string",
  [VANISHED_KEY]: "hash",
  [NOBODYS_KEY]: "zset",
  [LEFT_ENTRIES_KEY]: "hash",
  [LEFT_TO_OTHERS_KEY]: "hash",
  [VOID_ENTRIES_KEY]: "zset",
  [QUEUES_KEY]: "zset",
  [FOREIGN_QUEUES_KEY]: "set",
  [QUEUE_RULES_KEY]: "hash",
  [QUEUE_WALK_KEY]: "hash",
  [QUEUES_TENDED_KEY]: "string",
  [SCHEDULES_KEY]: "hash",
  [SCHEDULE_STATES_KEY]: "hash",
  [logKey("ID")]: "list",
  [logSizesKey("QUEUE")]: "hash",
  [logOrderKey("QUEUE")]: "zset",
  [sourceKey("NAME")]: "string",
  [ON_CANCELLED_KEY]: "hash",
  [PAUSED_KEY]: "set",
  [PARKED_TYPES_KEY]: "set",
  [CANCELLED_KEY]: "zset",
  [waitingCancelledKey("QUEUE")]: "zset",
  [parkedKey("QUEUE", "TYPE")]: "zset",
  [SCHEDULE_TIMES_KEY]: "zset",
  [SCHEDULES_DUE_KEY]: "zset",
  [SCHEDULES_PUT_KEY]: "zset",
  [scheduledKey("QUEUE")]: "zset",
  [doneKey("QUEUE")]: "zset",
  [cancelledKey("QUEUE")]: "zset",
  [deadKey("QUEUE")]: "zset",
};

export const RULES: Readonly<Record<string, Rule>> = {
  [EXECUTORS_KEY]: (_, { registered, expected }) =>
    registered.size > expected.executors
      ? [
          `${EXECUTORS_KEY}: names ${registered.size} executors (${[...registered].slice(0, 3)}), of which ` +
            `${expected.executors} live`,
        ]
      : [],
  [BEATS.name]: beats,
  [LOCK_KEY]: endsWithin(MINUTE_MS),
  [LOCK_FENCE_KEY]: () => [],
  [AUDIT_KEY]: async (_, { redis }) => {
    const count = await redis.xlen(AUDIT_KEY);
    return count > MOST_AUDIT_ENTRIES ? [`${AUDIT_KEY}: ${count} entries, more than ${MOST_AUDIT_ENTRIES}`] : [];
  },
  [EXPELLED_KEY]: endsWithin(MINUTE_MS),
  [orderKey("EXECUTOR")]: endsWithin(MINUTE_MS),
  [REMOVING_KEY]: endsWithin(MINUTE_MS),
  [PROBE_KEY]: (keys) => keys.map((key) => `${key}: is never to be there`),
  [cancelFlagKey("ID")]: endsWithin(30 * DAY_MS),
  [OWN_FLAG]: endsWithin(30 * DAY_MS),
  [STREAM]: streams,
  [recordKey("ID")]: records,
  [logKey("ID")]: (keys, { states }) =>
    keys
      .filter((key) => !states.has(partsOf(key, logKey("ID"))[0] ?? ""))
      .map((key) => `${key}: the log of a task that has no record`),
  [logSizesKey("QUEUE")]: logSizes,
  [logOrderKey("QUEUE")]: logOrder,
  [doneKey("QUEUE")]: index("done", doneKey, "doneLimit"),
  [cancelledKey("QUEUE")]: index("cancelled", cancelledKey, "cancelledLimit"),
  [deadKey("QUEUE")]: index("dead", deadKey, "deadLimit"),
  [scheduledKey("QUEUE")]: waiting,
  [parkedKey("QUEUE", "TYPE")]: waiting,
  [PARKED_TYPES_KEY]: async (_, { redis, found }) => {
    const there = new Set(
      (found.get(parkedKey("QUEUE", "TYPE")) ?? []).map((key) => {
        const [queue = "", type = ""] = partsOf(key, parkedKey("QUEUE", "TYPE"));
        return parkedName(queue, type);
      }),
    );
    const named = await redis.smembers(PARKED_TYPES_KEY);
    return named
      .filter((name) => !there.has(name))
      .map((name) => `${PARKED_TYPES_KEY}: ${name}, of which none is parked`);
  },
  // As many as somebody has paused by hand; the soak pauses none.
  // It ends by itself, a second after the last look.
  [sourceKey("NAME")]: () => [],
  [ON_CANCELLED_KEY]: () => [],
  [PAUSED_KEY]: () => [],
  [CANCELLED_KEY]: (keys, world) => marks(keys, world),
  [waitingCancelledKey("QUEUE")]: async (keys, world) => [
    ...(await marks(keys, world)),
    ...(await moreMarksThanEntries(keys, world)),
  ],
  [uniqueKey("QUEUE", "KEY")]: uniques,
  [VANISHED_KEY]: async (keys, { redis, ttls }) => {
    const { count = "0", ids = "" } = await redis.hgetall(VANISHED_KEY);
    const [ttl = -1] = await ttls(keys);
    const lost = Number(count) > 0 ? [`${VANISHED_KEY}: ${count} task(s) are held by nothing: ${ids}`] : [];
    return ttl === -1 ? [...lost, `${VANISHED_KEY}: has no end`] : lost;
  },
  [NOBODYS_KEY]: async (_, { redis }) => {
    const count = await redis.zcard(NOBODYS_KEY);
    return count > MOST_NOBODYS ? [`${NOBODYS_KEY}: ${count} entries, more than ${MOST_NOBODYS}`] : [];
  },
  // All tasks have ended: no entry stands any more, and none of them can be left, or be void.
  [LEFT_ENTRIES_KEY]: async (_, { redis }) => {
    const left = Object.entries(await redis.hgetall(LEFT_ENTRIES_KEY));
    return left.map(([stream, entry]) => `${LEFT_ENTRIES_KEY}: ${entry} is left in ${stream}`);
  },
  [LEFT_TO_OTHERS_KEY]: endsWithin(MINUTE_MS),
  [VOID_ENTRIES_KEY]: async (_, { redis }) => {
    const waiting = await redis.zrange(VOID_ENTRIES_KEY, "0", "9");
    return waiting.map((member) => `${VOID_ENTRIES_KEY}: ${member} waits`);
  },
  // One with all its tasks ended is still known for a day.
  [QUEUES_KEY]: async (_, { redis }) => {
    const count = await redis.zcard(QUEUES_KEY);
    return count > MOST_QUEUES ? [`${QUEUES_KEY}: ${count} queues, more than ${MOST_QUEUES}`] : [];
  },
  [FOREIGN_QUEUES_KEY]: onlyQueues((redis) => redis.smembers(FOREIGN_QUEUES_KEY)),
  [QUEUE_RULES_KEY]: onlyQueues((redis) => redis.hkeys(QUEUE_RULES_KEY)),
  // A few fields.
  [QUEUE_WALK_KEY]: () => [],
  [QUEUES_TENDED_KEY]: endsWithin(MINUTE_MS),
  [SCHEDULES_KEY]: () => [],
  [SCHEDULE_STATES_KEY]: onlySchedules((redis) => redis.hkeys(SCHEDULE_STATES_KEY)),
  [SCHEDULE_TIMES_KEY]: onlySchedules((redis) => redis.zrange(SCHEDULE_TIMES_KEY, "0", "-1")),
  [SCHEDULES_DUE_KEY]: onlySchedules((redis) => redis.zrange(SCHEDULES_DUE_KEY, "0", "-1")),
  [SCHEDULES_PUT_KEY]: onlySchedules((redis) => redis.zrange(SCHEDULES_PUT_KEY, "0", "-1")),
  // One number.
  [SCHEDULES_PUTS_KEY]: () => [],
};

function endsWithin(ms: number): Rule {
  return async (keys, { ttls }) => {
    const left = await ttls(keys);
    return keys.flatMap((key, at) => {
      const ttl = left[at] ?? -2;
      if (ttl === -2 || (ttl >= 0 && ttl <= ms)) return [];
      return [ttl === -1 ? `${key}: has no end` : `${key}: ends in ${Math.round(ttl / 1_000)} s, later than it may`];
    });
  };
}

/**
 * Logs that went with their record are still counted until the next sweep; the sum is always that of what is counted.
 */
async function logSizes(keys: readonly string[], { redis, ttls }: World): Promise<string[]> {
  const left = await ttls(keys);
  const problems: string[] = [];
  for (const [at, key] of keys.entries()) {
    const { "": total = "0", ...sizes } = await redis.hgetall(key);
    const sum = Object.values(sizes).reduce((all, size) => all + Number(size), 0);
    if (Number(total) !== sum) problems.push(`${key}: says ${total} bytes, and its logs have ${sum}`);
    if (left[at] === -1) problems.push(`${key}: has no end`);
  }
  return problems;
}

async function logOrder(keys: readonly string[], { redis, ttls }: World): Promise<string[]> {
  const left = await ttls(keys);
  const problems: string[] = [];
  for (const [at, key] of keys.entries()) {
    const [queue = ""] = partsOf(key, logOrderKey("QUEUE"));
    const sized = new Set(await redis.hkeys(logSizesKey(queue)));
    const strays = (await redis.zrange(key, "0", "-1")).filter((id) => !sized.has(id));
    problems.push(...strays.map((id) => `${key}: names ${id}, whose size nobody counted`));
    if (left[at] === -1) problems.push(`${key}: has no end`);
  }
  return problems;
}

async function beats(keys: readonly string[], { redis, registered, ttls }: World): Promise<string[]> {
  const left = await ttls(keys);
  const problems: string[] = [];
  for (const [at, key] of keys.entries()) {
    const [last = ""] = (await redis.type(key)) === "zset" ? await redis.zrange(key, "-1", "-1") : [];
    if (readBeat(last)?.name !== key) problems.push(`${key}: is of no kind`);
    else if (!registered.has(key) && left[at] === -1) problems.push(`${key}: beats of an executor that is gone`);
  }
  return problems;
}

async function streams(keys: readonly string[], world: World): Promise<string[]> {
  const problems: string[] = [];
  for (const key of keys) {
    const length = await world.redis.xlen(key);
    if (length > 0) problems.push(`${key}: ${length} entries, though all has ended`);
    const groups = rows(await world.redis.xinfo("GROUPS", key));
    const names = groups.map(({ name }) => String(name));
    if (names.join() !== GROUP)
      problems.push(`${key}: has the groups ${names.join() || "(none)"}, where ${GROUP} belongs`);
    for (const { pending } of groups) if (Number(pending) > 0) problems.push(`${key}: ${pending} entries are pending`);
    if (names.includes(GROUP))
      problems.push(...(await consumers(key, rows(await world.redis.xinfo("CONSUMERS", key, GROUP)), world)));
  }
  return problems;
}

async function consumers(
  key: string,
  all: readonly Row[],
  { registered, expected, redis, now }: World,
): Promise<string[]> {
  const longestMs = expected.heartbeatTimeoutMs * SILENT_TIMEOUTS + SLACK_MS;
  const problems: string[] = [];
  for (const { name, idle } of all) {
    if (registered.has(String(name)) || Number(idle) <= longestMs) continue;
    // One that only waits is as silent as one that is gone; its last beat tells when it left.
    const [, beatAt = 0] =
      (await redis.type(String(name))) === "zset" ? await redis.zrange(String(name), "-1", "-1", "WITHSCORES") : [];
    if (now - Number(beatAt) * 1_000 <= longestMs) continue;
    problems.push(`${key}: the consumer ${name} is gone, and was silent for ${Math.round(Number(idle) / 1_000)} s`);
  }
  return problems;
}

function records(_: readonly string[], { states, ended, waiting: waits }: World): string[] {
  const problems: string[] = [];
  for (const [id, state] of states) {
    if (state === "done" || state === "cancelled" || state === "dead") {
      if (!ended[state].has(id)) problems.push(`${recordKey(id)}: is ${state}, and in no index`);
    } else if (!waits.has(id)) problems.push(`${recordKey(id)}: says ${state || "nothing"}, though all has ended`);
  }
  return problems;
}

function index(
  state: "done" | "cancelled" | "dead",
  keyOf: (queue: string) => string,
  limit: "doneLimit" | "cancelledLimit" | "deadLimit",
): Rule {
  return async (keys, { redis, states, ended, expected, now }) => {
    const problems: string[] = [];
    for (const [id, score] of ended[state]) {
      if (states.get(id) !== state) problems.push(`${keyOf("*")}: names ${id}, whose record says ${states.get(id)}`);
      // Of dead tasks the score is when they died.
      else if (state !== "dead" && score < now - SLACK_MS) {
        problems.push(`${recordKey(id)}: its time was over ${Math.round((now - score) / 1_000)} s ago`);
      }
    }
    for (const key of keys) {
      const count = await redis.zcard(key);
      if (expected[limit] > 0 && count > expected[limit])
        problems.push(`${key}: ${count}, more than ${expected[limit]}`);
    }
    return problems;
  };
}

function waiting(keys: readonly string[]): string[] {
  return keys.map((key) => `${key}: something waits, though all has ended`);
}

async function marks(keys: readonly string[], { redis, now }: World): Promise<string[]> {
  const problems: string[] = [];
  for (const key of keys) {
    const old = await redis.zcount(key, "-inf", Math.floor(now - SLACK_MS));
    if (old > 0) problems.push(`${key}: ${old} marks whose time is over`);
  }
  return problems;
}

async function moreMarksThanEntries(keys: readonly string[], { redis, entries }: World): Promise<string[]> {
  const problems: string[] = [];
  for (const key of keys) {
    const [queue = ""] = partsOf(key, waitingCancelledKey("QUEUE"));
    const [there, count] = [entries.get(queue) ?? 0, await redis.zcard(key)];
    if (count > there) problems.push(`${key}: ${count} marks of waiting tasks, of which ${there} wait`);
  }
  return problems;
}

async function uniques(keys: readonly string[], { redis, ttls, states }: World): Promise<string[]> {
  const left = await ttls(keys);
  const problems: string[] = [];
  for (const [at, key] of keys.entries()) {
    if (left[at] !== -1) continue;
    const holder = (await redis.get(key)) ?? "";
    problems.push(`${key}: held for ever by ${holder}, which is ${states.get(holder) ?? "not there"}`);
  }
  return problems;
}

function onlySchedules(read: (redis: World["redis"]) => Promise<string[]>): Rule {
  return async ([key], { redis }) => {
    const there = new Set(await redis.hkeys(SCHEDULES_KEY));
    return (await read(redis))
      .filter((name) => !there.has(name))
      .map((name) => `${key}: ${name}, which is no schedule`);
  };
}

function onlyQueues(read: (redis: World["redis"]) => Promise<string[]>): Rule {
  return async ([key], { redis }) => {
    const known = new Set(await redis.zrange(QUEUES_KEY, "0", "-1"));
    return (await read(redis)).filter((name) => !known.has(name)).map((name) => `${key}: ${name}, which is no queue`);
  };
}

type Row = Readonly<Record<string, unknown>>;

/** The answer of XINFO. */
function rows(reply: unknown): Row[] {
  if (!Array.isArray(reply)) throw new TypeError("XINFO gave no list");
  return reply.map((row: unknown) => {
    const flat: unknown[] = Array.isArray(row) ? row : [];
    return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[String(name), flat[at + 1]]] : [])));
  });
}
