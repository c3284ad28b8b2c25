/**
 * How an entry leaves its stream. Redis cannot tell the lag of a group while three things hold: entries older than its
 * last delivered one stand in the stream, an entry waits, and one at or behind the last delivered one was deleted. The
 * heartbeats of RagFlow's executors end for good at the first look that finds no number. So the last delivered entry is
 * not deleted while older ones stand: it is left, acknowledged, until a later one is delivered or no older one stands;
 * which it is stands in a hash, so that whoever lives removes it. And one that nobody has claimed yet is never deleted:
 * it is marked as void, and goes when it is claimed.
 */
import { GROUP, LEFT_ENTRIES_KEY, VOID_ENTRIES_KEY } from "../keys.ts";
import { PRELUDE, plainScript } from "./lua.ts";

/**
 * Lua. `takeOut(stream, entry)`: an entry that was delivered leaves its stream, or is left there. `makeVoid(stream,
 * entry)`: so does one that may not be delivered yet, whoever has it. `settle(stream)`: what was left goes where it may
 * go by now. They need `call`, `lastDelivered` and `isToCome`.
 */
export const TAKE_OUT = `
local function isOldest(stream, entry) return #call('XRANGE', stream, '-', '(' .. entry, 'COUNT', 1) == 0 end
local function mayGo(stream, entry) return entry ~= lastDelivered(stream) or isOldest(stream, entry) end
local function takeOut(stream, entry)
  if mayGo(stream, entry) then return call('XDEL', stream, entry) end
  local before = call('HGET', '${LEFT_ENTRIES_KEY}', stream)
  if before and before ~= entry then call('XDEL', stream, before) end
  call('HSET', '${LEFT_ENTRIES_KEY}', stream, entry)
end
local function makeVoid(stream, entry)
  if isToCome(stream, entry) then
    if #call('XRANGE', stream, entry, entry) == 1 then
      call('ZADD', '${VOID_ENTRIES_KEY}', 0, stream .. ' ' .. entry)
    end
    return
  end
  call('XACK', stream, '${GROUP}', entry)
  takeOut(stream, entry)
end
local function settle(stream)
  local left = call('HGET', '${LEFT_ENTRIES_KEY}', stream)
  if not left or not mayGo(stream, left) then return end
  call('XDEL', stream, left)
  call('HDEL', '${LEFT_ENTRIES_KEY}', stream)
end
`;

/** Lua, by itself: `mustStay(stream, entry)`: whether it is the last delivered one, and older ones stand. */
export const MUST_STAY = `
local function mustStay(stream, entry)
  local last, lag
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local is = {}
    for i = 1, #group, 2 do is[group[i]] = group[i + 1] end
    if is.name == '${GROUP}' then last, lag = is['last-delivered-id'], is.lag end
  end
  if last ~= entry then return false end
  -- A lag may be too large, and never too small: then older ones stand for sure, and none need be read.
  if lag and redis.call('XLEN', stream) - lag > 1 then return true end
  return #redis.call('XRANGE', stream, '-', '(' .. entry, 'COUNT', 1) > 0
end
`;

/**
 * The end of an entry that may be the last one which the group has delivered, and of what was left before it.
 * KEYS stream, left entries; ARGV entry -> the stream where one is left in it.
 */
export const END_LAST = plainScript(
  `${MUST_STAY}
local stream, left, entry = KEYS[1], KEYS[2], ARGV[1]
local before = redis.pcall('HGET', left, stream)
if type(before) == 'table' then
  return redis.error_reply('WRONGTYPE the key "' .. left .. '" holds no hash: it is to be renamed or deleted')
end
redis.call('XACK', stream, '${GROUP}', entry)
if mustStay(stream, entry) then
  if before ~= entry then
    redis.call('HSET', left, stream, entry)
    if before then redis.call('XDEL', stream, before) end
  end
  return { stream }
end
redis.call('XDEL', stream, entry)
if not before then return {} end
if before ~= entry and mustStay(stream, before) then return { stream } end
redis.call('XDEL', stream, before)
redis.call('HDEL', left, stream)
return {}`,
  2,
);

/** What a script needs beside PRELUDE that uses TAKE_OUT and no records. */
export const LAST_DELIVERED = `
local function split(id)
  local ms, n = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms) or 0, tonumber(n) or 0
end
local delivered, lastTimes, lastNumbers = {}, {}, {}
-- The last entry that the group has delivered, asked once a script; "" where there is no group.
local function lastDelivered(stream)
  if delivered[stream] then return delivered[stream] end
  delivered[stream] = ''
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, group in ipairs(groups.err and {} or groups) do
    local fields = {}
    for i = 1, #group, 2 do fields[group[i]] = group[i + 1] end
    if fields['name'] == '${GROUP}' then delivered[stream] = fields['last-delivered-id'] end
  end
  lastTimes[stream], lastNumbers[stream] = split(delivered[stream])
  return delivered[stream]
end
local function isToCome(stream, entry)
  if lastDelivered(stream) == '' then return true end
  local ms, n = split(entry)
  return ms > lastTimes[stream] or (ms == lastTimes[stream] and n > lastNumbers[stream])
end
`;

/**
 * KEYS stream, left entries -> 1 where its group was made, from the first entry on. What was left there has ended: in a
 * group that is made anew it would be delivered again.
 */
export const MAKE_GROUP = plainScript(
  `${PRELUDE}${LAST_DELIVERED}
expect('stream', KEYS[1])
expect('hash', KEYS[2])
if lastDelivered(KEYS[1]) ~= '' then return 0 end
local left = call('HGET', KEYS[2], KEYS[1])
if left then
  call('XDEL', KEYS[1], left)
  call('HDEL', KEYS[2], KEYS[1])
end
call('XGROUP', 'CREATE', KEYS[1], '${GROUP}', '0', 'MKSTREAM')
return 1`,
  2,
);

/** KEYS left entries; ARGV streams -> which of them have one still. */
export const SETTLE = plainScript(
  `${PRELUDE}${LAST_DELIVERED}${TAKE_OUT}
expect('hash', KEYS[1])
local out = {}
for _, stream in ipairs(ARGV) do
  settle(stream)
  if call('HEXISTS', KEYS[1], stream) == 1 then out[#out + 1] = stream end
end
return out`,
  1,
);

/** KEYS void entries; ARGV stream and entry in turn, all of them ours -> those that were void, and are gone now. */
export const DROP_VOID = plainScript(
  `${PRELUDE}${LAST_DELIVERED}${TAKE_OUT}
expect('zset', KEYS[1])
expect('hash', '${LEFT_ENTRIES_KEY}')
local out = {}
for i = 1, #ARGV, 2 do
  local member = ARGV[i] .. ' ' .. ARGV[i + 1]
  if call('ZREM', KEYS[1], member) == 1 then
    call('XACK', ARGV[i], '${GROUP}', ARGV[i + 1])
    takeOut(ARGV[i], ARGV[i + 1])
    out[#out + 1] = member
  end
end
return out`,
  1,
);

/**
 * KEYS void entries; ARGV stream, how many are looked at -> how many of them were forgotten: another program has had
 * them, or they are gone with their stream. Those that wait stand behind all others.
 */
export const FORGET_VOID = plainScript(
  `${PRELUDE}${LAST_DELIVERED}${TAKE_OUT}
expect('zset', KEYS[1])
expect('hash', '${LEFT_ENTRIES_KEY}')
local stream, n = ARGV[1], 0
local members = call('ZRANGE', KEYS[1], '[' .. stream .. ' ', '(' .. stream .. '!', 'BYLEX', 'LIMIT', 0, ARGV[2])
for _, member in ipairs(members) do
  local entry = string.sub(member, #stream + 2)
  local stands = #call('XRANGE', stream, entry, entry) == 1
  if stands and isToCome(stream, entry) then break end
  -- One that is pending goes when its owner is done with it.
  if not stands or #call('XPENDING', stream, '${GROUP}', entry, entry, 1) == 0 then
    if stands then takeOut(stream, entry) end
    call('ZREM', KEYS[1], member)
    n = n + 1
  end
end
return n`,
  1,
);
