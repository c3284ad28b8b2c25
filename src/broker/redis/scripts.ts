/**
 * The Lua scripts: what must be atomic and is not on the hot path. Each is bounded by the batch that calls it.
 * Ownership is what the group says: an entry is ours while XPENDING names us as its consumer.
 */
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import { ENDED_STATES, MOVES, type TaskState } from "../../task/state.ts";
import { ERROR_FIELD } from "./keys.ts";

/** A Lua condition: the value is one of these states. */
function isOneOf(value: string, states: readonly TaskState[]): string {
  return `(${states.map((state) => `${value} == '${state}'`).join(" or ")})`;
}

const { promote, claim, cancel, revive } = MOVES;

/** KEYS stream; ARGV group, consumer, ids... -> the ids that are not ours any more. The others' idle time restarts. */
const RENEW = `
local lost, own = {}, {}
for i = 3, #ARGV do
  local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if #p == 1 then own[#own + 1] = ARGV[i] else lost[#lost + 1] = ARGV[i] end
end
if #own > 0 then
  own[#own + 1] = 'JUSTID'
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(own))
end
return lost`;

/**
 * KEYS stream; ARGV group, consumer, ids... -> those entries that are still ours, as XCLAIM gives them: another executor
 * may have taken one since we looked.
 */
const RECOVER = `
local own = {}
for i = 3, #ARGV do
  local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if #p == 1 then own[#own + 1] = ARGV[i] end
end
if #own == 0 then return {} end
return redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(own))`;

/**
 * KEYS stream; ARGV group, consumer, id, commands as JSON [[name, arg...]...], record key or "" -> 1 when it was ours.
 * With a record key the entry's own bytes are kept in its field `message`, untouched by any decoding. A script cannot
 * call another: the one EVAL among the commands, FREE_KEY, is carried out here.
 */
const FENCED = `
local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #p == 0 then return 0 end
if ARGV[5] ~= '' then
  local e = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])
  if #e == 1 then
    local f = e[1][2]
    local raw = f[2]
    if #f ~= 2 or f[1] ~= 'message' then raw = table.concat(f, ' ') end
    redis.call('HSET', ARGV[5], 'message', raw)
  end
end
for _, command in ipairs(cjson.decode(ARGV[4])) do
  if command[1] ~= 'EVAL' then redis.call(unpack(command))
  elseif redis.call('GET', command[4]) == command[5] then redis.call('DEL', command[4]) end
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
return 1`;

/** KEYS unique key; ARGV the id of the task that has ended: by now another one may hold the key. */
export const FREE_KEY = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/** Broker time in ms, whole numbers as text, and the enqueue of one task: what several scripts share. */
const SHARED = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function int(n) return string.format('%.0f', n) end
-- What is due in the same millisecond comes in the order in which it was enqueued: a score has room for 1 024 places.
local function enqueue(prefix, r, place)
  local key = prefix .. r.id
  local state = redis.call('HGET', key, 'state')
  if state then return 0, state, r.id end
  if r.unique ~= '' then
    local holder = redis.call('GET', r.unique)
    if holder then
      local held = redis.call('HGET', prefix .. holder, 'state')
      local ended = not held or ${isOneOf("held", ENDED_STATES)}
      -- One that is held for a time ends by itself, whatever the task that now asks for it wants.
      if tonumber(r.ttl) > 0 or not ended or redis.call('PTTL', r.unique) >= 0 then return 0, held or 'done', holder end
    end
    if tonumber(r.ttl) > 0 then redis.call('SET', r.unique, r.id, 'PX', r.ttl) else redis.call('SET', r.unique, r.id) end
  end
  local delay = tonumber(r.delay)
  local entry, due = '', ''
  if delay > 0 then
    state = 'scheduled'
    due = int(now + delay)
    redis.call('ZADD', r.scheduled, string.format('%.4f', tonumber(due) + place / 1024), r.id)
  else
    state = 'queued'
    entry = redis.call('XADD', r.stream, '*', 'message', r.message)
  end
  -- A key that is held until its task has ended needs the task's state; one that is held for a time ends by itself.
  local holds = r.unique ~= '' and tonumber(r.ttl) == 0
  if tonumber(r.retention) > 0 or delay > 0 or holds then
    redis.call('HSET', key, 'id', r.id, 'type', r.type, 'queue', r.queue, 'priority', r.priority,
      'message', r.message, 'retention', r.retention, 'state', state, 'entry', entry, 'stream', r.stream,
      'due_at', due, 'enqueued_at', int(now))
    if holds then redis.call('HSET', key, 'unique', r.unique) end
  end
  return 1, state, r.id
end
local function read(i)
  return { id = ARGV[i], type = ARGV[i + 1], queue = ARGV[i + 2], priority = ARGV[i + 3], message = ARGV[i + 4],
    retention = ARGV[i + 5], delay = ARGV[i + 6], stream = ARGV[i + 7], scheduled = ARGV[i + 8],
    unique = ARGV[i + 9], ttl = ARGV[i + 10] }
end
`;

/** Takes an entry out of its stream, whoever has it. For single ones only: the lag is unknown until it is passed. */
const DROP_ENTRY = `
local function dropEntry(group, stream, entry)
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
end
`;

/** ARGV record prefix, then 11 of each task (see `read`) -> 3 of each task: 1 when created, its state, whose it is. */
const ENQUEUE = `${SHARED}
local out = {}
for i = 2, #ARGV, 11 do
  local created, state, id = enqueue(ARGV[1], read(i), (i - 2) / 11 % 1024)
  out[#out + 1] = created
  out[#out + 1] = state
  out[#out + 1] = id
end
return out`;

/**
 * KEYS schedules, states, times; ARGV record prefix, name, "one" or "none", the state that was read, the definition ("":
 * as it is), the state, the state where nothing could be enqueued, then 11 of a task or none -> 1 when it was changed,
 * then what an enqueue answers.
 */
const CHANGE_SCHEDULE = `${SHARED}
local name = ARGV[2]
local there = redis.call('HEXISTS', KEYS[1], name) == 1
if there ~= (ARGV[3] == 'one') then return { 0 } end
if (redis.call('HGET', KEYS[2], name) or '') ~= ARGV[4] then return { 0 } end
local created, state, id, after = 0, '', '', ARGV[6]
if #ARGV > 7 then
  created, state, id = enqueue(ARGV[1], read(8), 0)
  if created == 0 then after = ARGV[7] end
end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], name, ARGV[5]) end
redis.call('HSET', KEYS[2], name, after)
redis.call('ZREM', KEYS[3], name)
return { 1, created, state, id }`;

/** KEYS scheduled; ARGV record prefix, max -> promoted, ms until the next is due (-1: nothing waits). */
const PROMOTE = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- All that is due in this millisecond: behind the point stands only its place in line.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now + 1), 'LIMIT', 0, ARGV[2])
local n = 0
for _, id in ipairs(due) do
  local key = ARGV[1] .. id
  local r = redis.call('HMGET', key, 'stream', 'message', 'state', 'retention', 'unique')
  if r[1] and r[2] and ${isOneOf("r[3]", promote.from)} then
    local entry = redis.call('XADD', r[1], '*', 'message', r[2])
    if r[4] == '0' and r[3] == 'scheduled' and not r[5] then
      redis.call('DEL', key)
    else
      redis.call('HSET', key, 'state', '${promote.to}', 'entry', entry, 'due_at', '')
    end
    n = n + 1
  end
  redis.call('ZREM', KEYS[1], id)
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #first == 0 then return { n, -1 } end
return { n, math.max(0, math.floor(tonumber(first[2])) - now) }`;

/**
 * ARGV group, record prefix, marks key, id, scheduled key less the queue, cancelled index less the queue, flag key,
 * reason, parked key less queue and type, waiting marks less the queue -> the state it was in, or nothing where no
 * record is kept.
 */
const CANCEL = `${SHARED}
local key, id = ARGV[2] .. ARGV[4], ARGV[4]
local r = redis.call('HMGET', key, 'state', 'stream', 'entry', 'queue', 'retention', 'unique', 'type')
local state = r[1]
local function mark(ms)
  redis.call('SET', ARGV[7], 'x', 'PX', int(ms))
  redis.call('ZADD', ARGV[3], int(now + ms), id)
end
if not state then
  mark(3600000)
  return false
end
local function finish()
  redis.call('HSET', key, 'state', '${cancel.to}', 'finished_at', int(now), 'reason', ARGV[8], 'due_at', '')
  redis.call('ZADD', ARGV[6] .. r[4], int(now + math.max(tonumber(r[5]) or 0, 60000)), id)
  if r[6] then redis.call('DEL', r[6]) end
end
if ${isOneOf("state", promote.from)} then
  redis.call('ZREM', ARGV[5] .. r[4], id)
  finish()
  return state
end
if not ${isOneOf("state", claim.from)} then return state end
if r[7] and redis.call('ZREM', ARGV[9] .. r[4] .. ':' .. r[7], id) == 1 then
  finish()
  return 'queued'
end
local p = {}
-- Where no executor has ever been up there is no group, and the answer is an error.
if r[3] and r[3] ~= '' then p = redis.pcall('XPENDING', r[2], ARGV[1], r[3], r[3], 1) end
if #p == 1 then
  redis.call('SET', ARGV[7], 'x', 'PX', '3600000')
  return 'running'
end
finish()
mark(2592000000)
redis.call('ZADD', ARGV[10] .. r[4], int(now + 2592000000), id)
return 'queued'`;

/**
 * ARGV record prefix, log prefix, group, marks key, flag key, id, the message of the first attempt, dead index less the
 * queue, cancelled index less the queue, waiting marks less the queue -> the state it was in and 1 when it is queued
 * again.
 */
const RETRY = `${DROP_ENTRY}
local key, id = ARGV[1] .. ARGV[6], ARGV[6]
local r = redis.call('HMGET', key, 'state', 'stream', 'queue', 'retention')
local state = r[1]
if not state then return { '', 0 } end
if not ${isOneOf("state", revive.from)} or ARGV[7] == '' then return { state, 0 } end
local entry
redis.call('ZREM', ARGV[4], id)
local waits = redis.call('ZREM', ARGV[10] .. r[3], id) == 1
if waits and redis.call('HGET', key, 'message') == ARGV[7] then
  entry = redis.call('HGET', key, 'entry')
else
  -- What still stands there tells of a later attempt, or of a key that another may hold by now.
  if waits then dropEntry(ARGV[3], r[2], redis.call('HGET', key, 'entry')) end
  entry = redis.call('XADD', r[2], '*', 'message', ARGV[7])
end
redis.call('DEL', ARGV[5])
redis.call('ZREM', ARGV[8] .. r[3], id)
redis.call('ZREM', ARGV[9] .. r[3], id)
-- As new, a task that keeps no record has none, but for the errors of its attempts.
if (tonumber(r[4]) or 0) == 0 and redis.call('HEXISTS', key, '${ERROR_FIELD}1') == 0 then
  redis.call('DEL', key)
  return { state, 1 }
end
redis.call('HSET', key, 'state', '${revive.to}', 'entry', entry, 'message', ARGV[7], 'attempt', 0, 'progress', 0,
  'progress_msg', '', 'crashes', 0)
redis.call('HDEL', key, 'finished_at', 'reason', 'error', 'started_at', 'executor', 'due_at', 'result', 'result_omitted', 'unique')
return { state, 1 }`;

/**
 * KEYS index, waiting marks; ARGV record prefix, log prefix, latest score, max, keep -> how many records were removed.
 * One whose entry still stands in a stream is kept for another minute: whoever claims that must know what it is.
 */
const PURGE = `
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[3], 'LIMIT', 0, ARGV[4])
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[5])
if #ids == 0 and over > 0 then
  ids = redis.call('ZRANGE', KEYS[1], 0, math.min(over, tonumber(ARGV[4])) - 1)
end
local n = 0
for _, id in ipairs(ids) do
  if redis.call('ZSCORE', KEYS[2], id) then
    redis.call('ZADD', KEYS[1], string.format('%.0f', tonumber(ARGV[3]) + 60000), id)
  else
    redis.call('DEL', ARGV[1] .. id, ARGV[2] .. id)
    n = n + redis.call('ZREM', KEYS[1], id)
  end
end
return n`;

/** KEYS sorted set; ARGV latest score, max -> how many members were removed. */
const FORGET = `
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
if #ids > 0 then redis.call('ZREM', KEYS[1], unpack(ids)) end
return #ids`;

/**
 * KEYS index, waiting marks, marks; ARGV record prefix, log prefix, state, group, end of flag keys, ids... -> how many
 * records of that state were removed. With one that was cancelled while it waited go its entry, its marks and its flag:
 * a new task of that id must not meet them.
 */
const REMOVE = `${DROP_ENTRY}
local n = 0
for i = 6, #ARGV do
  local state = redis.call('HGET', ARGV[1] .. ARGV[i], 'state')
  if not state or state == ARGV[3] then
    if redis.call('ZREM', KEYS[2], ARGV[i]) == 1 then
      local r = redis.call('HMGET', ARGV[1] .. ARGV[i], 'stream', 'entry')
      if r[1] and r[2] then dropEntry(ARGV[4], r[1], r[2]) end
      redis.call('ZREM', KEYS[3], ARGV[i])
      redis.call('DEL', ARGV[i] .. ARGV[5])
    end
    redis.call('DEL', ARGV[1] .. ARGV[i], ARGV[2] .. ARGV[i])
    n = n + redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return n`;

/** KEYS parked, paused, parked types; ARGV record prefix, type, max, its name -> how many were queued again. */
const UNPARK = `
if redis.call('SISMEMBER', KEYS[2], 'type:' .. ARGV[2]) == 1 then return 0 end
local ids = redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[3]) - 1)
for _, id in ipairs(ids) do
  local key = ARGV[1] .. id
  local r = redis.call('HMGET', key, 'stream', 'message', 'state', 'retention', 'unique')
  if r[1] and r[2] and ${isOneOf("r[3]", claim.from)} then
    local entry = redis.call('XADD', r[1], '*', 'message', r[2])
    local has = redis.call('HEXISTS', key, '${ERROR_FIELD}1') == 1
    if r[4] == '0' and not r[5] and not has then redis.call('DEL', key) else redis.call('HSET', key, 'entry', entry) end
  end
end
if #ids > 0 then redis.call('ZREM', KEYS[1], unpack(ids)) end
if redis.call('ZCARD', KEYS[1]) == 0 then redis.call('SREM', KEYS[3], ARGV[4]) end
return #ids`;

/** KEYS lock; ARGV owner. */
const UNLOCK = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

/** A script, and how many of its arguments are keys. */
export interface Script {
  readonly lua: string;
  readonly keys: number;
  readonly sha: string;
}

export function script(lua: string, keys: number): Script {
  return { lua, keys, sha: createHash("sha1").update(lua).digest("hex") };
}

// Not by ioredis' defineCommand: it would hang each of them on every pipeline, 2 x 13 properties a batch of tasks.
const SCRIPTS = {
  taskexeRenew: script(RENEW, 1),
  taskexeRecover: script(RECOVER, 1),
  taskexeFenced: script(FENCED, 1),
  taskexeEnqueue: script(ENQUEUE, 0),
  taskexePromote: script(PROMOTE, 1),
  taskexeCancel: script(CANCEL, 0),
  taskexePurge: script(PURGE, 2),
  taskexeForget: script(FORGET, 1),
  taskexeRetry: script(RETRY, 0),
  taskexeRemove: script(REMOVE, 3),
  taskexeUnpark: script(UNPARK, 3),
  taskexeChangeSchedule: script(CHANGE_SCHEDULE, 3),
  taskexeUnlock: script(UNLOCK, 1),
} as const;

export type ScriptName = keyof typeof SCRIPTS;

/**
 * Calls a script by its hash, and whole where Redis does not know it (yet, or any more). The reply is whatever the
 * script returns: the caller checks its shape.
 */
export function callScript(redis: Redis, name: ScriptName, ...args: (string | number)[]): Promise<unknown> {
  return runScript(redis, SCRIPTS[name], ...args);
}

/** As `callScript`, for a script that stands elsewhere. */
export async function runScript(
  redis: Redis,
  { lua, keys, sha }: Script,
  ...args: (string | number)[]
): Promise<unknown> {
  try {
    return await redis.call("EVALSHA", sha, keys, ...args);
  } catch (error) {
    if (!isUnknownScript(error)) throw error;
    return await redis.call("EVAL", lua, keys, ...args);
  }
}

/** Whether Redis did not know a script by its hash; it has then not been run. */
export function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}
