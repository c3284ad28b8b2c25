/** The scripts of tasks' logs: appending in one call with its account, the end of a log, and the bound of a queue. */
import { GROUP, LOG_PREFIX } from "../keys.ts";
import { script } from "./lua.ts";
import { WHEREABOUTS } from "./whereabouts.ts";

/**
 * Lua: the number of the last line of a log. It stands at the head of the line; lines that were written before they had
 * one are counted.
 */
const LAST_LINE = `
local function lastLine(key)
  local last = call('LINDEX', key, -1)
  if not last then return 0 end
  return tonumber(string.match(last, '^{"n":(%d+)')) or call('LLEN', key)
end
`;

/**
 * KEYS log, sizes, order; ARGV id, how many lines are kept, time to live in s, then lines: JSON objects without a
 * number -> how many bytes the logs of the queue have, and how many are counted.
 */
export const APPEND_LOG = script(
  `${LAST_LINE}
expect('list', KEYS[1])
expect('hash', KEYS[2])
expect('zset', KEYS[3])
local n = lastLine(KEYS[1])
-- The log that was counted went with its record.
local gone = n == 0 and tonumber(call('HGET', KEYS[2], ARGV[1]) or '0') or 0
-- What its account takes is counted, too.
local bytes = n == 0 and 200 or 0
for i = 4, #ARGV do
  n = n + 1
  local line = '{"n":' .. string.format('%.0f', n) .. ',' .. string.sub(ARGV[i], 2)
  bytes = bytes + #line
  call('RPUSH', KEYS[1], line)
end
local over = call('LLEN', KEYS[1]) - tonumber(ARGV[2])
if over > 0 then
  for _, line in ipairs(call('LRANGE', KEYS[1], 0, over - 1)) do bytes = bytes - #line end
  call('LTRIM', KEYS[1], over, -1)
end
call('HINCRBY', KEYS[2], ARGV[1], bytes - gone)
local total = call('HINCRBY', KEYS[2], '', bytes - gone)
call('ZADD', KEYS[3], 'NX', redis.call('TIME')[1], ARGV[1])
for i = 1, 3 do call('EXPIRE', KEYS[i], ARGV[3]) end
return { total, call('ZCARD', KEYS[3]) }`,
  3,
);

/**
 * KEYS sizes, order; ARGV cursor -> the next one, and how many bytes are left: what is counted of logs that went with
 * their record is taken off, some hundred a call.
 */
export const SWEEP_LOGS = script(
  `
local reply = call('ZSCAN', KEYS[2], ARGV[1], 'COUNT', 500)
for i = 1, #reply[2], 2 do
  local id = reply[2][i]
  if redis.call('EXISTS', '${LOG_PREFIX}' .. id) == 0 then
    call('HINCRBY', KEYS[1], '', -tonumber(call('HGET', KEYS[1], id) or '0'))
    call('HDEL', KEYS[1], id)
    call('ZREM', KEYS[2], id)
  end
end
return { reply[1], tonumber(call('HGET', KEYS[1], '') or '0') }`,
  2,
);

/** KEYS sizes, order; ARGV how many bytes may stay -> how many are left, and how many logs: the oldest go first. */
export const DROP_LOGS = script(
  `
local total = tonumber(call('HGET', KEYS[1], '') or '0')
for _, id in ipairs(call('ZRANGE', KEYS[2], 0, 199)) do
  if total <= tonumber(ARGV[1]) then break end
  local size = tonumber(call('HGET', KEYS[1], id) or '0')
  redis.call('UNLINK', '${LOG_PREFIX}' .. id)
  call('HDEL', KEYS[1], id)
  call('ZREM', KEYS[2], id)
  total = call('HINCRBY', KEYS[1], '', -size)
end
local logs = call('ZCARD', KEYS[2])
-- Whatever was miscounted, as after a key was deleted by hand, begins anew.
if logs == 0 then call('DEL', KEYS[1]) end
return { total, logs }`,
  2,
);

/** KEYS log; ARGV the number behind which it begins -> the number of the last line, and the lines. */
export const LOG_TAIL = script(
  `${LAST_LINE}
local last = lastLine(KEYS[1])
local count = last - tonumber(ARGV[1])
if count <= 0 then return { last, {} } end
return { last, call('LRANGE', KEYS[1], -count, -1) }`,
  1,
);

/**
 * KEYS record, log; ARGV what was seen ("": nothing) -> nothing where there is no record, 0 where nothing has changed,
 * else what is to be seen now, the same of the record without progress, progress, messages, the last line's number.
 * Where the entry is nobody's, the record changes each second: whoever reads it then finds out whether the task has
 * ended outside of taskexe (records/elsewhere.ts).
 */
export const GLANCE = script(
  `${WHEREABOUTS}
${LAST_LINE}
-- Errors and messages of progress stand in front of what may be megabytes.
local r = loadRecord(KEYS[1], redis.pcall('GETRANGE', KEYS[1], 0, 65535))
if not r then return false end
local standing = {}
for i, name in ipairs({ 'state', 'entry', 'attempt', 'executor', 'started_at', 'finished_at', 'due_at', 'crashes',
  'enqueued_at' }) do standing[i] = r[name] or '' end
if r.state == 'queued' and r.stream and r.entry ~= '' then
  local p = redis.pcall('XPENDING', r.stream, '${GROUP}', r.entry, r.entry, 1)
  if not p.err and p[1] then standing[#standing + 1] = p[1][2] .. ' ' .. p[1][4]
  elseif not isToCome(r.stream, r.entry) then standing[#standing + 1] = redis.call('TIME')[1] end
end
local n = lastLine(KEYS[2])
local record = redis.sha1hex(table.concat(standing, ' '))
local progress, messages = r.progress or '0', r.progress_msg or ''
local seen = redis.sha1hex(record .. progress .. ' ' .. n .. ' ' .. messages)
if seen == ARGV[1] then return 0 end
return { seen, record, progress, messages, n }`,
  2,
);
