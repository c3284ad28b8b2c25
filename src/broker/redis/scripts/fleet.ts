/** The heartbeats of an executor, under its own name: what is no heartbeat there is neither overwritten nor removed. */
import { script } from "./lua.ts";

/** Takes 3 words of each beat that is replaced, from this one on: it, its time in s, what stays of it ("": nothing). */
const REPLACE = `
local function replace(from)
  for i = from, #ARGV, 3 do
    -- A beat that is not there (any more) leaves nothing.
    local wasThere = call('ZREM', KEYS[2], ARGV[i]) == 1
    if wasThere and ARGV[i + 2] ~= '' then call('ZADD', KEYS[2], ARGV[i + 1], ARGV[i + 2]) end
  end
end
`;

/**
 * KEYS executors, name, its order; ARGV name, time in s, beat, oldest time that is kept, then those that this one
 * replaces -> the order, "" where there is none.
 */
export const BEAT = script(
  `${REPLACE}
expect('set', KEYS[1])
expect('zset', KEYS[2])
call('SADD', KEYS[1], ARGV[1])
replace(5)
call('ZADD', KEYS[2], ARGV[2], ARGV[3])
call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[4])
call('PERSIST', KEYS[2])
local order = redis.pcall('GET', KEYS[3])
return type(order) == 'string' and order or ''`,
  3,
);

/** KEYS executors, name; ARGV name, time in s, beat, how long that is kept in s, then those that this one replaces. */
export const LEAVE = script(
  `${REPLACE}
expect('set', KEYS[1])
expect('zset', KEYS[2])
replace(5)
call('ZADD', KEYS[2], ARGV[2], ARGV[3])
call('EXPIRE', KEYS[2], ARGV[4])
call('SREM', KEYS[1], ARGV[1])
return 1`,
  2,
);

/** KEYS executors, name; ARGV name. Anybody can write any name into that set: what it names need be no heartbeats. */
export const EXPEL = script(
  `
expect('set', KEYS[1])
call('SREM', KEYS[1], ARGV[1])
if redis.call('TYPE', KEYS[2]).ok == 'zset' then call('DEL', KEYS[2]) end
return 1`,
  2,
);

/**
 * ARGV "1" for beats without the tasks that run, then names -> 2 of each: its last beat and the score of that, or
 * nothing. In a beat of ours those tasks come last, and no text in it can hold that key, since a quote in a text has a
 * backslash before it.
 */
export const LAST_BEATS = script(
  `
local out = {}
for i = 2, #ARGV do
  local r = redis.pcall('ZREVRANGE', ARGV[i], 0, 0, 'WITHSCORES')
  local json, at = r[1] or '', r[2] or ''
  if ARGV[1] == '1' and string.find(json, '"lease_ms":', 1, true) then
    local from = string.find(json, ',"current":{', 1, true)
    if from then json = string.sub(json, 1, from - 1) .. '}' end
  end
  if #json > ${1024 * 1024} then json = '{}' end
  out[#out + 1] = json
  out[#out + 1] = at
end
return out`,
  0,
);

/**
 * KEYS gate; ARGV how long it is shut, in ms -> whether it was open: of a fleet one executor goes through at a time.
 */
export const ONE_OF_THE_FLEET = script("return call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) and 1 or 0", 1);

/** KEYS a hash; ARGV how many fields it may have, then types and what follows each ("": nothing). */
export const TELL_ON_CANCELLED = script(
  `
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then call('HDEL', KEYS[1], ARGV[i])
  elseif call('HLEN', KEYS[1]) < tonumber(ARGV[1]) or call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
return 1`,
  1,
);
