/**
 * The records of tasks in Lua, for the scripts: codec.ts has the same in TypeScript, and the list of fields. A record
 * is read whole, changed as a table, and written whole; what stands in its key and is no record is never overwritten.
 */

import { DEFAULT_QUEUE } from "../../../task/options/enqueue-options.ts";
import { ERROR_FIELD, RECORD_PREFIX } from "../keys.ts";
import {
  EARLIEST_SHORT,
  ERROR_LETTER,
  FIELD_LETTERS,
  HEAD_BYTES,
  LATEST_SHORT,
  LONGEST_COPY,
  MAGIC,
  MOST_SHORT,
  messageStart,
  PAYLOAD_LETTER,
  RETENTION_UNITS,
  SHORT_BASE,
  STATE_LETTERS,
} from "./codec.ts";

const ENTRIES = Object.entries(FIELD_LETTERS);
/** Errors stand before what may be long. */
const LONG = ENTRIES.findIndex(([name]) => name === "progress_msg");

function table(pairs: readonly (readonly [string, string])[]): string {
  return `{ ${pairs.map(([key, value]) => `${key} = '${value}'`).join(", ")} }`;
}

function list(names: readonly (readonly [string, string])[]): string {
  return `{ ${names.map(([name]) => `'${name}'`).join(", ")} }`;
}

function turned(pairs: readonly (readonly [string, string])[]): [string, string][] {
  return pairs.map(([key, value]) => [value, key]);
}

/** Lua: how the message of a task begins that we wrote, `messageStart` of an id and a type that are Lua themselves. */
function startOf(id: string, type: string): string {
  return `'${messageStart(`' .. ${id} .. '`, `' .. ${type} .. '`)}'`;
}

const START_OF_MESSAGE = startOf(`string.sub(key, ${RECORD_PREFIX.length + 1})`, "(r.type or '')");

/** How a packed record begins, of a task in this state. */
export function packedStart(state: keyof typeof STATE_LETTERS): string {
  return MAGIC + STATE_LETTERS[state];
}

/**
 * `readRecord(key)`: its fields by name, nil where there is none; numbers are texts, `entry` is '' where it has none,
 * `stream` is made of queue and priority. `headOf(key)`: the same without what is long. `stateOf(key)`: its state
 * alone. `writeRecord(key, r)`: the message of a task whose entry holds it is left out where it is long.
 * `messageOf(r)`: the message, that of the stream where it stands there. All raise WRONGTYPE where another kind of
 * value stands in the key. They need `wrongType` and `call` of lua.ts. `packEntry(entry)`, `packed(letter, value)`: as
 * codec.ts writes an entry and a field.
 */
export const RECORDS = `
local STATES = ${table(turned(Object.entries(STATE_LETTERS)))}
local NAMES = ${table(turned(ENTRIES))}
local STATE_LETTERS = ${table(Object.entries(STATE_LETTERS))}
local LETTERS = ${table(ENTRIES)}
local SHORT = ${list(ENTRIES.slice(0, LONG))}
local LONG = ${list(ENTRIES.slice(LONG).filter(([name]) => name !== "message"))}
local UNITS = { ${Object.entries(RETENTION_UNITS)
  .map(([letter, ms]) => `{ '${letter}', ${ms} }`)
  .join(", ")} }
local function digitOf(n) return string.char(n + (n < 10 and 48 or 87)) end
local function inBase36(n)
  local text = ''
  repeat
    local digit = n % 36
    text = digitOf(digit) .. text
    n = (n - digit) / 36
  until n == 0
  return text
end
-- The entries of a script are mostly of one time.
local lastMs, lastShort
local function packEntry(entry)
  local ms, number = string.match(entry, '^([1-9]%d*)%-(%d+)$')
  if not ms or tonumber(number) >= ${MOST_SHORT} or string.find(number, '^0.') then return entry end
  if ms ~= lastMs then
    local n = tonumber(ms)
    if n < ${EARLIEST_SHORT} or n > ${LATEST_SHORT} then return entry end
    lastMs, lastShort = ms, inBase36(n)
  end
  return lastShort .. inBase36(tonumber(number))
end
-- What is written shorter, and read so again.
local SHORTER = { entry = packEntry }
function SHORTER.retention(value)
  local ms = string.match(value, '^[1-9]%d*$') and #value <= 15 and tonumber(value)
  if not ms then return value end
  for _, unit in ipairs(UNITS) do
    if ms % unit[2] == 0 then return string.format('%.0f', ms / unit[2]) .. unit[1] end
  end
  return value
end
local LONGER = {}
function LONGER.entry(value)
  local ms = not string.find(value, '-', 1, true) and tonumber(string.sub(value, 1, 8), 36)
  local number = ms and tonumber(string.sub(value, 9), 36)
  return number and string.format('%.0f-%.0f', ms, number) or value
end
function LONGER.retention(value)
  local number, letter = string.match(value, '^(%d+)(%a)$')
  for _, unit in ipairs(UNITS) do
    if unit[1] == letter then return string.format('%.0f', tonumber(number) * unit[2]) end
  end
  return value
end
local function noRecord(key) return wrongType(key, redis.call('TYPE', key).ok, 'record') end
local function unpackRecord(key, text)
  local isPacked = string.sub(text, 1, ${MAGIC.length}) == '${MAGIC}'
  local state = isPacked and STATES[string.sub(text, ${MAGIC.length + 1}, ${MAGIC.length + 1})]
  if not state then error(noRecord(key)) end
  local r, at, size = { state = state }, ${MAGIC.length + 2}, #text
  while at <= size do
    local letter, length, from = string.match(text, '^(%u)(%w)()', at)
    if letter then letter, length = string.lower(letter), tonumber(length, ${SHORT_BASE})
    else letter, length, from = string.match(text, '^(%l)(%d+):()', at) end
    if not letter then break end
    at = from + length
    if at > size + 1 then break end
    local value = string.sub(text, from, at - 1)
    local name = NAMES[letter]
    if name then r[name] = LONGER[name] and LONGER[name](value) or value
    elseif letter == '${PAYLOAD_LETTER}' then r.message = ${START_OF_MESSAGE} .. value .. '}'
    elseif letter == '${ERROR_LETTER}' then
      local number, json = string.match(value, '^(%d+) (.*)$')
      if number then r['${ERROR_FIELD}' .. number] = json end
    end
  end
  r.queue = r.queue or '${DEFAULT_QUEUE}'
  return r
end
-- As versions before 0.2 wrote it.
local function readHash(key, flat)
  local r = {}
  for i = 1, #flat, 2 do
    if flat[i + 1] ~= '' then r[flat[i]] = flat[i + 1] end
  end
  if not r.state then error(noRecord(key)) end
  local attempt, started, finished, executor = string.match(r['end'] or '', '^(%d+) (%d+) (%d+) (.*)$')
  if attempt then
    r.attempt, r.started_at, r.finished_at, r.executor = attempt, started, finished, executor
    r.completions = string.format('%.0f', (tonumber(r.completions) or 0) + 1)
    r.progress = '1'
  end
  return r
end
local function loadRecord(key, text)
  local r
  if type(text) == 'table' then
    if string.sub(text.err, 1, 9) ~= 'WRONGTYPE' then error(text) end
    if redis.call('TYPE', key).ok ~= 'hash' then error(noRecord(key)) end
    r = readHash(key, redis.call('HGETALL', key))
  else
    if not text or text == '' then return nil end
    r = unpackRecord(key, text)
  end
  r.entry = r.entry or ''
  if r.entry ~= '' and not r.enqueued_at then r.enqueued_at = string.match(r.entry, '^(%d+)') end
  if r.state == 'done' then
    r.progress = r.progress or '1'
    r.completions = r.completions or '1'
  end
  if r.queue then r.stream = 'te.' .. (r.priority or '0') .. '.' .. r.queue end
  return r
end
local function readRecord(key) return loadRecord(key, redis.pcall('GET', key)) end
local function headOf(key) return loadRecord(key, redis.pcall('GETRANGE', key, 0, ${HEAD_BYTES - 1})) end
local function stateOf(key)
  local text = redis.pcall('GETRANGE', key, 0, ${MAGIC.length})
  if text == '' then return nil end
  if type(text) == 'table' and string.sub(text.err, 1, 9) == 'WRONGTYPE' and redis.call('TYPE', key).ok == 'hash' then
    return call('HGET', key, 'state') or error(noRecord(key))
  end
  return loadRecord(key, text).state
end
-- What is not said: each is asked of a value that is there.
local LEFT_OUT = {
  enqueued_at = function(r, value) return r.entry and string.match(r.entry, '^(%d+)') == value end,
  priority = function(r, value) return value == '0' end,
  queue = function(r, value) return value == '${DEFAULT_QUEUE}' end,
  progress = function(r, value) return value == (r.state == 'done' and '1' or '0') end,
  completions = function(r, value) return value == (r.state == 'done' and '1' or '0') end,
  crashes = function(r, value) return value == '0' end,
}
local function packed(letter, value)
  if #value >= ${SHORT_BASE} then return letter .. #value .. ':' .. value end
  return string.upper(letter) .. digitOf(#value) .. value
end
local function pack(out, letter, value) out[#out + 1] = packed(letter, value) end
local function packFields(out, names, r)
  for i = 1, #names do
    local name = names[i]
    local value = r[name]
    if value and value ~= '' then
      if type(value) == 'number' then value = string.format('%.0f', value) end
      local isLeftOut = LEFT_OUT[name]
      if not (isLeftOut and isLeftOut(r, value)) then
        pack(out, LETTERS[name], SHORTER[name] and SHORTER[name](value) or value)
      end
    end
  end
end
local function packMessage(out, key, r)
  local message = r.message
  if not message or message == '' then return end
  if #message > ${LONGEST_COPY} and r.state == 'queued' and (r.entry or '') ~= '' then return end
  local start = ${START_OF_MESSAGE}
  if #message > #start and string.sub(message, 1, #start) == start and string.sub(message, -1) == '}' then
    pack(out, '${PAYLOAD_LETTER}', string.sub(message, #start + 1, -2))
  else pack(out, '${FIELD_LETTERS.message}', message) end
end
local function packRecord(key, r)
  local out = { '${MAGIC}', STATE_LETTERS[r.state] }
  packFields(out, SHORT, r)
  local numbers = {}
  for name in pairs(r) do
    if not LETTERS[name] then
      local number = string.match(name, '^${ERROR_FIELD}(%d+)$')
      if number then numbers[#numbers + 1] = tonumber(number) end
    end
  end
  if #numbers > 1 then table.sort(numbers) end
  for _, number in ipairs(numbers) do
    number = string.format('%.0f', number)
    pack(out, '${ERROR_LETTER}', number .. ' ' .. r['${ERROR_FIELD}' .. number])
  end
  packFields(out, LONG, r)
  packMessage(out, key, r)
  return table.concat(out)
end
local function writeRecord(key, r) return call('SET', key, packRecord(key, r)) end
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
