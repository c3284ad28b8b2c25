/**
 * The records of tasks in Lua, for the scripts. A record is read whole, changed as a table, and written whole; what
 * stands in its key and is no record is never overwritten. Records of the usual kind: splice-lua.ts.
 */
import { HEAD_BYTES, MAGIC } from "./codec.ts";
import { PACKING } from "./packing-lua.ts";

/**
 * `readRecord(key)`: its fields by name, nil where there is none; numbers are texts, `entry` is '' where it has none,
 * `stream` is made of queue and priority. `headOf(key)`: the same without what is long. `stateOf(key)`: its state
 * alone. `writeRecord(key, r)`: the message of a task whose entry holds it is left out where it is long.
 * `putRecord(key, r)`: the same, but many are written by one command, the last ones by `writePuts()`, which a script
 * must call whatever else fails. `messageOf(r)`: the message, that of the stream where it stands there. All raise
 * WRONGTYPE where another kind of value stands in the key. They need `wrongType` and `call` of lua.ts.
 */
export const RECORDS = `${PACKING}
-- As versions before 0.2 wrote it.
local function readHash(key, flat)
  local r = {}
  for i = 1, #flat, 2 do
    if flat[i + 1] ~= '' then r[flat[i]] = flat[i + 1] end
  end
  if not r.state then error(noRecord(key)) end
  local attempt, started, finished, executor = match(r['end'] or '', '^(%d+) (%d+) (%d+) (.*)$')
  if attempt then
    r.attempt, r.started_at, r.finished_at, r.executor = attempt, started, finished, executor
    r.completions = format('%.0f', (tonumber(r.completions) or 0) + 1)
    r.progress = '1'
  end
  return r
end
local function loadRecord(key, text)
  local r
  if type(text) == 'table' then
    if sub(text.err, 1, 9) ~= 'WRONGTYPE' then error(text) end
    if redis.call('TYPE', key).ok ~= 'hash' then error(noRecord(key)) end
    r = readHash(key, redis.call('HGETALL', key))
  else
    if not text or text == '' then return nil end
    r = unpackRecord(key, text)
  end
  r.entry = r.entry or ''
  if r.entry ~= '' and not r.enqueued_at then r.enqueued_at = timeOf(r.entry) end
  if r.state == 'done' then
    r.progress = r.progress or '1'
    r.completions = r.completions or '1'
  end
  if r.queue then r.stream = 'te.' .. (r.priority or '0') .. '.' .. r.queue end
  return r
end
-- Records that are to be written, by key; what is read of one is what it will be.
local puts, waiting, putBytes = {}, {}, 0
local function writePuts()
  local list = puts
  puts, waiting, putBytes = {}, {}, 0
  if #list > 0 then call('MSET', unpack(list)) end
end
local function readText(key)
  if waiting[key] then writePuts() end
  return redis.pcall('GET', key)
end
local function readRecord(key) return loadRecord(key, readText(key)) end
local function headOf(key)
  if waiting[key] then writePuts() end
  return loadRecord(key, redis.pcall('GETRANGE', key, 0, ${HEAD_BYTES - 1}))
end
local function stateOf(key)
  if waiting[key] then writePuts() end
  local text = redis.pcall('GETRANGE', key, 0, ${MAGIC.length})
  if text == '' then return nil end
  if type(text) == 'table' and sub(text.err, 1, 9) == 'WRONGTYPE' and redis.call('TYPE', key).ok == 'hash' then
    return call('HGET', key, 'state') or error(noRecord(key))
  end
  return loadRecord(key, text).state
end
local function writeRecord(key, r) return call('SET', key, packRecord(key, r)) end
local function putText(key, text)
  local n = #puts
  puts[n + 1], puts[n + 2], waiting[key], putBytes = key, text, true, putBytes + #text
  if n >= 1000 or putBytes > 65536 then writePuts() end
end
local function putRecord(key, r) putText(key, packRecord(key, r)) end
local function entryMessage(stream, entry)
  local e = call('XRANGE', stream, entry, entry)
  if #e ~= 1 then return nil end
  local f = e[1][2]
  return (#f == 2 and f[1] == 'message') and f[2] or table.concat(f, ' ')
end
local function messageOf(r)
  return r.entry ~= '' and r.stream and entryMessage(r.stream, r.entry) or r.message
end
`;
