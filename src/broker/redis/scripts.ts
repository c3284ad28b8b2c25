/**
 * The Lua scripts: what must be atomic and is not on the hot path. Each is bounded by the batch that calls it. `call`
 * and `expect` are those of lua.ts: keys are looked at first, since a script is not rolled back. Ownership is what the
 * group says: an entry is ours while XPENDING names us as its consumer.
 */
import type { Redis } from "ioredis";
import { ENDED_STATES, MOVES } from "../../task/state.ts";
import { ERROR_FIELD } from "./keys.ts";
import { runScript, script } from "./lua.ts";
import { FIELD_LETTERS } from "./records/codec.ts";
import { packedStart, RECORDS } from "./records/record-lua.ts";
import { isOneOf, WHEREABOUTS } from "./whereabouts.ts";

const { promote, claim, cancel } = MOVES;

/**
 * KEYS stream; ARGV group, consumer, "1" in doubt, ids... -> the ids that others have taken, those that are gone, and 1
 * where the group is. The idle time of the rest restarts. An entry that is nobody's, since its group or our consumer
 * was deleted by hand, is ours again.
 */
const RENEW = `${WHEREABOUTS}
local taken, gone, own, nobodys = {}, {}, {}, {}
for i = 4, #ARGV do
  local is = isOwn(KEYS[1], ARGV[2], ARGV[i], ARGV[3] == '1')
  if is and holder(KEYS[1], ARGV[i]) then own[#own + 1] = ARGV[i]
  elseif is then nobodys[#nobodys + 1] = ARGV[i]
  elseif is == nil then gone[#gone + 1] = ARGV[i]
  else taken[#taken + 1] = ARGV[i] end
end
if #own > 0 then
  own[#own + 1] = 'JUSTID'
  call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(own))
end
if #nobodys > 0 then
  nobodys[#nobodys + 1] = 'FORCE'
  nobodys[#nobodys + 1] = 'JUSTID'
  -- Without a group there is nothing to write down; none can be claimed by another then, either.
  redis.pcall('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(nobodys))
end
return { taken, gone, isGroupGone and 1 or 0 }`;

/**
 * KEYS stream; ARGV group, consumer, ids... -> those entries that are still ours, as XCLAIM gives them: another
 * executor may have taken one since we looked.
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

/** Broker time in ms, whole numbers as text, and the enqueue of one task: what several scripts share. */
const SHARED = `${WHEREABOUTS}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function int(n) return string.format('%.0f', n) end
local function pack(letter, value) return letter .. #value .. ':' .. value end
-- What is due in the same millisecond comes in the order in which it was enqueued: a score has room for 1 024 places.
local function enqueue(prefix, r, place)
  local key = prefix .. r.id
  local state = r.state
  if state == nil then state = stateOf(key) end
  if state then
    if isWaiting(state) and requeue(key, r.id, r.message) then state = '${promote.to}' end
    return 0, state, r.id
  end
  if r.unique ~= '' then
    local other = call('GET', r.unique)
    if other then
      local held = stateOf(prefix .. other)
      local ended = not held or ${isOneOf("held", ENDED_STATES)}
      -- One that is held for a time ends by itself, whatever the task that now asks for it wants.
      if tonumber(r.ttl) > 0 or not ended or call('PTTL', r.unique) >= 0 then return 0, held or 'done', other end
    end
  end
  local delay = tonumber(r.delay)
  local entry, due = '', ''
  if delay > 0 then mayRun('ZADD', r.scheduled) else mayRun('XADD', r.stream) end
  if r.unique ~= '' then mayRun('SET', r.unique) end
  mayRun('SET', key)
  local times = ''
  if delay > 0 then
    state = 'scheduled'
    due = int(now + delay)
    times = pack('${FIELD_LETTERS.enqueued_at}', int(now)) .. pack('${FIELD_LETTERS.due_at}', due)
    call('ZADD', r.scheduled, string.format('%.4f', tonumber(due) + place / 1024), r.id)
  else
    state = 'queued'
    entry = call('XADD', r.stream, '*', 'message', r.message)
    -- The entry's own time is not written, but where Redis's clock was set back.
    if tonumber(string.match(entry, '^(%d+)')) - now >= 1000 then times = pack('${FIELD_LETTERS.enqueued_at}', int(now)) end
  end
  if r.unique ~= '' then
    if tonumber(r.ttl) > 0 then call('SET', r.unique, r.id, 'PX', r.ttl) else call('SET', r.unique, r.id) end
  end
  -- A key that is held until its task has ended needs the task's state; one that is held for a time ends by itself.
  local holds = r.unique ~= '' and tonumber(r.ttl) == 0
  if r.kept == '1' or delay > 0 or holds then
    local start = delay > 0 and '${packedStart("scheduled")}' or '${packedStart("queued")}' .. pack('${FIELD_LETTERS.entry}', entry)
    call('SET', key, start .. times .. r.facts .. r.packed)
  end
  return 1, state, r.id
end
local function read(i)
  return { id = ARGV[i], message = ARGV[i + 1], facts = ARGV[i + 2], kept = ARGV[i + 3], packed = ARGV[i + 4],
    delay = ARGV[i + 5], stream = ARGV[i + 6], scheduled = ARGV[i + 7], unique = ARGV[i + 8], ttl = ARGV[i + 9] }
end
`;

/** ARGV record prefix, then 10 of each task (see `read`) -> 3 of each task: 1 when created, its state, whose it is. */
const ENQUEUE = `${SHARED}
-- All or nothing: whatever key is of another type is met before anything is written.
local tasks, seen, taken, out = {}, {}, {}, {}
for i = 2, #ARGV, 10 do
  local r = read(i)
  tasks[#tasks + 1] = r
  r.state = stateOf(ARGV[1] .. r.id) or false
  if r.unique ~= '' then call('GET', r.unique) end
  if not seen[r.stream] then expect('stream', r.stream) end
  if tonumber(r.delay) > 0 and not seen[r.scheduled] then
    expect('zset', r.scheduled)
    seen[r.scheduled] = true
  end
  seen[r.stream] = true
end
for i, r in ipairs(tasks) do
  if taken[r.id] then r.state = nil end
  taken[r.id] = true
  local created, state, id = enqueue(ARGV[1], r, (i - 1) % 1024)
  out[#out + 1] = created
  out[#out + 1] = state
  out[#out + 1] = id
end
return out`;

/**
 * KEYS schedules, states, times, due, put, puts; ARGV record prefix, then 19 of each change: name, "one" or "none", the
 * state that was read, the definition ("": as it is), the state, the state where nothing could be enqueued, when to
 * look at it after each of them ("": never), 1 where a task is to be enqueued, then 10 of that -> of each 1 when it
 * was changed, then what an enqueue answers; -1 for one of several that failed.
 */
const CHANGE_SCHEDULES = `${SHARED}
-- Looked at before anything is written.
expect('zset', KEYS[3], KEYS[4], KEYS[5])
expect('string', KEYS[6])
local function change(i)
  local name = ARGV[i]
  local there = call('HEXISTS', KEYS[1], name) == 1
  if there ~= (ARGV[i + 1] == 'one') then return { 0 } end
  if (call('HGET', KEYS[2], name) or '') ~= ARGV[i + 2] then return { 0 } end
  local created, state, id, after, look = 0, '', '', ARGV[i + 4], ARGV[i + 6]
  if ARGV[i + 8] == '1' then
    created, state, id = enqueue(ARGV[1], read(i + 9), 0)
    if created == 0 then after, look = ARGV[i + 5], ARGV[i + 7] end
  end
  if ARGV[i + 3] ~= '' then
    call('HSET', KEYS[1], name, ARGV[i + 3])
    call('ZADD', KEYS[5], call('INCR', KEYS[6]), name)
  end
  if look == '' then call('ZREM', KEYS[4], name) else call('ZADD', KEYS[4], look, name) end
  call('HSET', KEYS[2], name, after)
  call('ZREM', KEYS[3], name)
  return { 1, created, state, id }
end
if #ARGV == 20 then return { change(2) } end
local out = {}
for i = 2, #ARGV, 19 do
  local ok, reply = pcall(change, i)
  out[#out + 1] = ok and reply or { -1 }
end
return out`;

/**
 * KEYS scheduled; ARGV record prefix, max -> promoted, ms until the next is due (-1: nothing waits), then of each that
 * could not be queued its id and why: it is looked at again in a minute, and holds up nobody.
 */
const PROMOTE = `${RECORDS}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
-- All that is due in this millisecond: behind the point stands only its place in line.
local due = call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now + 1), 'LIMIT', 0, ARGV[2])
local function promote(id)
  local key = ARGV[1] .. id
  local r = readRecord(key)
  if not (r and r.stream and r.message and ${isOneOf("r.state", promote.from)}) then return 0 end
  mayRun('SET', key)
  mayRun('DEL', key)
  local entry = call('XADD', r.stream, '*', 'message', r.message)
  if r.retention == '0' and r.state == 'scheduled' and not r.unique then
    call('DEL', key)
  else
    r.state, r.entry, r.due_at, r.message = '${promote.to}', entry, nil, nil
    writeRecord(key, r)
  end
  return 1
end
local out = { 0, -1 }
if #due > 0 then mayRun('ZREM', KEYS[1]) end
for _, id in ipairs(due) do
  local ok, n = pcall(promote, id)
  if ok then
    out[1] = out[1] + n
    call('ZREM', KEYS[1], id)
  else
    out[#out + 1] = id
    out[#out + 1] = oneOnly(n)
    call('ZADD', KEYS[1], string.format('%.0f', now + 60000), id)
  end
end
local first = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #first > 0 then out[2] = math.max(0, math.floor(tonumber(first[2])) - now) end
return out`;

/**
 * ARGV group, record prefix, marks key, scheduled key less the queue, cancelled index less the queue, reason, parked
 * key less queue and type, waiting marks less the queue, then id and flag key in turn -> of each the state it was in,
 * or "" where no record is kept.
 */
const CANCEL = `${SHARED}
expect('zset', ARGV[3])
-- Members of sorted sets, by key: they are added together at the end.
local members, checked, isAnyParked = {}, {}, {}
local function add(key, score, id)
  local list = members[key] or {}
  members[key] = list
  list[#list + 1] = int(score)
  list[#list + 1] = id
end
-- The flag's name is the producers' (ID-cancel): with GET, what another kind of key has there is not overwritten.
local function setFlag(flag, ms)
  local held = redis.pcall('SET', flag, 'x', 'PX', int(ms), 'GET')
  if type(held) ~= 'table' or not held.err then return end
  expect('string', flag)
  error(held)
end
local function mark(id, flag, ms)
  setFlag(flag, ms)
  add(ARGV[3], now + ms, id)
end
local function unpark(key, id)
  if isAnyParked[key] == nil then isAnyParked[key] = call('EXISTS', key) == 1 end
  return isAnyParked[key] and call('ZREM', key, id) == 1
end
local function cancel(id, flag)
  local key = ARGV[2] .. id
  local r = readRecord(key)
  local state = r and r.state
  if not state then
    mark(id, flag, 3600000)
    return ''
  end
  if not ${isOneOf("state", cancel.from)} then return state end
  local hasEntry = r.entry ~= ''
  local isStillToCome = hasEntry and isToCome(r.stream, r.entry)
  -- One that was never delivered is nobody's.
  if hasEntry and not isStillToCome and holder(r.stream, r.entry) then
    setFlag(flag, 3600000)
    return 'running'
  end
  -- Once it has ended, its message stands in its record, whatever becomes of the entry.
  local standing = hasEntry and entryMessage(r.stream, r.entry)
  r.message = r.message or standing or nil
  local timed = timedKey(r.unique_for_a_time, r.queue, r.message)
  local function finish()
    local kept = tonumber(r.retention) or 0
    r.state, r.finished_at, r.reason, r.due_at = '${cancel.to}', now, ARGV[6], nil
    writeRecord(key, r)
    add(ARGV[5] .. r.queue, now + (kept > 0 and kept or 60000), id)
    free(r.unique, id)
    free(timed, id)
  end
  if not checked[r.queue] then expect('zset', ARGV[5] .. r.queue, ARGV[8] .. r.queue) end
  checked[r.queue] = true
  if r.unique or timed then expect('string', r.unique or flag, timed or flag) end
  if ${isOneOf("state", promote.from)} then
    call('ZREM', ARGV[4] .. r.queue, id)
    finish()
    return state
  end
  if r.type and unpark(ARGV[7] .. r.queue .. ':' .. r.type, id) then
    finish()
    return 'queued'
  end
  local isThere
  if hasEntry then isThere = isStillToCome and standing else isThere = isHeld(id, r) end
  mark(id, flag, isThere and 2592000000 or 3600000)
  finish()
  if not isThere then
    -- Nothing holds it; should somebody run it still, the flag is seen.
    if hasEntry then call('XDEL', r.stream, r.entry) end
    return 'queued'
  end
  add(ARGV[8] .. r.queue, now + 2592000000, id)
  return 'queued'
end
local out, reason = {}, nil
for i = 9, #ARGV, 2 do
  local ok, state = pcall(cancel, ARGV[i], ARGV[i + 1])
  if not ok then
    reason = type(state) == 'table' and state or { err = tostring(state) }
    break
  end
  out[#out + 1] = state
end
for key, list in pairs(members) do call('ZADD', key, unpack(list)) end
-- Those before it are cancelled.
if reason then error(reason) end
return out`;

/** KEYS sorted set; ARGV latest score, max -> how many members were removed. */
const FORGET = `
local ids = call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
if #ids > 0 then call('ZREM', KEYS[1], unpack(ids)) end
return #ids`;

/**
 * KEYS parked, paused, parked types; ARGV record prefix, type, max, its name -> how many were taken from there, then of
 * each that could not be queued its id and why: it stays there, behind all others.
 */
const UNPARK = `${RECORDS}
if call('SISMEMBER', KEYS[2], 'type:' .. ARGV[2]) == 1 then return { 0 } end
expect('set', KEYS[3])
local ids = call('ZRANGE', KEYS[1], 0, tonumber(ARGV[3]) - 1)
local function unpark(id)
  local key = ARGV[1] .. id
  local r = readRecord(key)
  if not (r and r.stream and r.message and ${isOneOf("r.state", claim.from)}) then return end
  mayRun('SET', key)
  mayRun('DEL', key)
  local entry = call('XADD', r.stream, '*', 'message', r.message)
  if r.retention == '0' and not r.unique and not r['${ERROR_FIELD}1'] then call('DEL', key)
  else
    r.entry, r.message = entry, nil
    writeRecord(key, r)
  end
end
local out = { 0 }
if #ids > 0 then mayRun('ZREM', KEYS[1]) end
for _, id in ipairs(ids) do
  local ok, reason = pcall(unpark, id)
  if ok then
    call('ZREM', KEYS[1], id)
    out[1] = out[1] + 1
  else
    out[#out + 1] = id
    out[#out + 1] = oneOnly(reason)
    call('ZADD', KEYS[1], '9e15', id)
  end
end
if call('ZCARD', KEYS[1]) == 0 then call('SREM', KEYS[3], ARGV[4]) end
return out`;

/** KEYS lock; ARGV owner. */
const UNLOCK = `
if call('GET', KEYS[1]) == ARGV[1] then return call('DEL', KEYS[1]) end
return 0`;

// Not by ioredis' defineCommand: it would hang each of them on every pipeline, 2 x 13 properties a batch of tasks.
const SCRIPTS = {
  taskexeRenew: script(RENEW, 1),
  taskexeRecover: script(RECOVER, 1),
  taskexeEnqueue: script(ENQUEUE, 0),
  taskexePromote: script(PROMOTE, 1),
  taskexeCancel: script(CANCEL, 0),
  taskexeForget: script(FORGET, 1),
  taskexeUnpark: script(UNPARK, 3),
  taskexeChangeSchedules: script(CHANGE_SCHEDULES, 6),
  taskexeUnlock: script(UNLOCK, 1),
} as const;

export type ScriptName = keyof typeof SCRIPTS;

/** Calls one of them. The reply is whatever the script returns: the caller checks its shape. */
export function callScript(redis: Redis, name: ScriptName, ...args: (string | number)[]): Promise<unknown> {
  return runScript(redis, SCRIPTS[name], ...args);
}
