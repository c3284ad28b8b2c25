/**
 * The Lua scripts: what must be atomic and is not on the hot path. Each is bounded by the batch that calls it.
 * Ownership is what the group says: an entry is ours while XPENDING names us as its consumer.
 */
import type { Redis } from "ioredis";

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
 * KEYS stream; ARGV group, consumer, id, commands as JSON [[name, arg...]...], record key or "" -> 1 when it was ours.
 * With a record key the entry's own bytes are kept in its field `message`, untouched by any decoding.
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
for _, command in ipairs(cjson.decode(ARGV[4])) do redis.call(unpack(command)) end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XDEL', KEYS[1], ARGV[3])
return 1`;

/** KEYS stream; ARGV group, consumer, then pairs of entry id and record key ("" for none) -> how many were handed back. */
const RELEASE = `
local n = 0
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  local p = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2])
  if #p == 1 then
    local e = redis.call('XRANGE', KEYS[1], id, id)
    if #e == 1 then
      local new = redis.call('XADD', KEYS[1], '*', unpack(e[1][2]))
      if ARGV[i + 1] ~= '' and redis.call('EXISTS', ARGV[i + 1]) == 1 then
        redis.call('HSET', ARGV[i + 1], 'entry', new, 'state', 'queued')
      end
      n = n + 1
    end
    redis.call('XACK', KEYS[1], ARGV[1], id)
    redis.call('XDEL', KEYS[1], id)
  end
end
return n`;

/**
 * KEYS none but those named in ARGV; ARGV record prefix, then 9 of each task: id, type, queue, priority, message,
 * retention, delay, stream, scheduled key -> 2 of each task: 1 when created, its state.
 */
const ENQUEUE = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local out = {}
for i = 2, #ARGV, 9 do
  local id, stream = ARGV[i], ARGV[i + 7]
  local key = ARGV[1] .. id
  local state = redis.call('HGET', key, 'state')
  if state then
    out[#out + 1] = 0
    out[#out + 1] = state
  else
    local delay, retention = tonumber(ARGV[i + 6]), tonumber(ARGV[i + 5])
    local entry, due = '', ''
    if delay > 0 then
      state = 'scheduled'
      due = string.format('%.0f', now + delay)
      redis.call('ZADD', ARGV[i + 8], due, id)
    else
      state = 'queued'
      entry = redis.call('XADD', stream, '*', 'message', ARGV[i + 4])
    end
    if retention > 0 or delay > 0 then
      redis.call('HSET', key, 'id', id, 'type', ARGV[i + 1], 'queue', ARGV[i + 2], 'priority', ARGV[i + 3],
        'message', ARGV[i + 4], 'retention', ARGV[i + 5], 'state', state, 'entry', entry, 'stream', stream,
        'due_at', due, 'enqueued_at', string.format('%.0f', now))
    end
    out[#out + 1] = 1
    out[#out + 1] = state
  end
end
return out`;

/** KEYS scheduled; ARGV record prefix, max -> promoted, ms until the next is due (-1: nothing waits). */
const PROMOTE = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])
local n = 0
for _, id in ipairs(due) do
  local key = ARGV[1] .. id
  local r = redis.call('HMGET', key, 'stream', 'message', 'state', 'retention')
  if r[1] and r[2] and (r[3] == 'scheduled' or r[3] == 'retrying') then
    local entry = redis.call('XADD', r[1], '*', 'message', r[2])
    if r[4] == '0' and r[3] == 'scheduled' then
      redis.call('DEL', key)
    else
      redis.call('HSET', key, 'state', 'queued', 'entry', entry, 'due_at', '')
    end
    n = n + 1
  end
  redis.call('ZREM', KEYS[1], id)
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #first == 0 then return { n, -1 } end
return { n, math.max(0, math.ceil(tonumber(first[2]) - now)) }`;

/**
 * ARGV group, record prefix, cancelled key, id, scheduled prefix, ended prefix, flag key, reason -> the state it was
 * in, or nothing where no record is kept.
 */
const CANCEL = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function int(n) return string.format('%.0f', n) end
local key, id = ARGV[2] .. ARGV[4], ARGV[4]
local r = redis.call('HMGET', key, 'state', 'stream', 'entry', 'queue', 'retention')
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
  redis.call('HSET', key, 'state', 'cancelled', 'finished_at', int(now), 'reason', ARGV[8], 'due_at', '')
  redis.call('ZADD', ARGV[6] .. r[4], int(now + math.max(tonumber(r[5]) or 0, 60000)), id)
end
if state == 'scheduled' or state == 'retrying' then
  redis.call('ZREM', ARGV[5] .. r[4], id)
  finish()
  return state
end
if state ~= 'queued' then return state end
local p = redis.call('XPENDING', r[2], ARGV[1], r[3], r[3], 1)
if #p == 1 then
  redis.call('SET', ARGV[7], 'x', 'PX', '3600000')
  return 'running'
end
finish()
mark(2592000000)
return 'queued'`;

/** KEYS index; ARGV record prefix, latest score, max, keep -> how many records were removed. */
const PURGE = `
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
if #ids == 0 and over > 0 then
  ids = redis.call('ZRANGE', KEYS[1], 0, math.min(over, tonumber(ARGV[3])) - 1)
end
for _, id in ipairs(ids) do redis.call('DEL', ARGV[1] .. id) end
if #ids > 0 then redis.call('ZREM', KEYS[1], unpack(ids)) end
return #ids`;

/** KEYS lock; ARGV owner. */
const UNLOCK = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

const SCRIPTS = {
  taskexeRenew: { lua: RENEW, numberOfKeys: 1 },
  taskexeFenced: { lua: FENCED, numberOfKeys: 1 },
  taskexeRelease: { lua: RELEASE, numberOfKeys: 1 },
  taskexeEnqueue: { lua: ENQUEUE, numberOfKeys: 0 },
  taskexePromote: { lua: PROMOTE, numberOfKeys: 1 },
  taskexeCancel: { lua: CANCEL, numberOfKeys: 0 },
  taskexePurge: { lua: PURGE, numberOfKeys: 1 },
  taskexeUnlock: { lua: UNLOCK, numberOfKeys: 1 },
} as const;

export type ScriptName = keyof typeof SCRIPTS;

/** The options with which ioredis knows the scripts: sent once, called by their hash from then on. */
export const scriptOptions = { scripts: SCRIPTS };

/** Calls a script by name. The reply is whatever the script returns: the caller checks its shape. */
export function callScript(redis: Redis, name: ScriptName, ...args: (string | number)[]): Promise<unknown> {
  const method: unknown = Reflect.get(redis, name);
  if (typeof method !== "function") throw new TypeError(`the script ${name} is not registered`);
  return Promise.resolve(Reflect.apply(method, redis, args));
}
