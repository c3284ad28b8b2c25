/** Which schedules are to be looked at: those that are not cost nothing. */
import { script } from "./lua.ts";

/**
 * KEYS due, schedules, states, times, put, puts; ARGV how many, how long they are left to us in ms, the number of the
 * put behind which to read ("": none), how many bytes are enough -> until when they are left to us, ms until the next
 * (-1: none), the number of the last put that was read, of each that is due, then of each that was put: definition,
 * state, next time of the first version; then 1 where there may be more.
 */
export const TAKE_SCHEDULES = script(
  `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function int(n) return string.format('%.0f', n) end
local bytes, enough, more = 0, tonumber(ARGV[4]), 0
local function read(name)
  local definition = call('HGET', KEYS[2], name)
  if not definition then return nil end
  bytes = bytes + #definition
  return { definition, call('HGET', KEYS[3], name) or '', call('ZSCORE', KEYS[4], name) or '' }
end
local due, put, seen = {}, {}, ARGV[3]
local takenUntil = int(now + tonumber(ARGV[2]))
local names = call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now), 'LIMIT', 0, ARGV[1])
if #names > 0 and #names == tonumber(ARGV[1]) then more = 1 end
for _, name in ipairs(names) do
  if bytes >= enough then
    more = 1
    break
  end
  local one = read(name)
  if one then
    call('ZADD', KEYS[1], takenUntil, name)
    due[#due + 1] = one
  else
    call('ZREM', KEYS[1], name)
  end
end
if seen == '' then
  seen = call('GET', KEYS[6]) or '0'
else
  names = call('ZRANGEBYSCORE', KEYS[5], '(' .. seen, '+inf', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
  if #names > 0 and #names == 2 * tonumber(ARGV[1]) then more = 1 end
  for i = 1, #names, 2 do
    if bytes >= enough then
      more = 1
      break
    end
    put[#put + 1] = read(names[i])
    seen = names[i + 1]
  end
end
local first = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local inMs = first[2] and int(math.max(0, tonumber(first[2]) - now)) or '-1'
return { takenUntil, inMs, seen, due, put, more }`,
  6,
);

/** KEYS due; ARGV name, the score it must have, the score it gets. */
export const POSTPONE_SCHEDULE = script(
  `
if call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then call('ZADD', KEYS[1], ARGV[3], ARGV[1]) end
return 1`,
  1,
);
