/**
 * How a record is packed, in Lua: codec.ts has the same in TypeScript, and the list of fields. A script that changes a
 * hundred tasks takes Redis most of its time for this: what is called for each field is a local one, and what many
 * records have alike is worked out once.
 */
import { DEFAULT_QUEUE } from "../../../task/options/enqueue-options.ts";
import { ERROR_FIELD, RECORD_PREFIX } from "../keys.ts";
import {
  EARLIEST_SHORT,
  ERROR_LETTER,
  FIELD_LETTERS,
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
/** All that may stand in a record, with the two letters that are no field of their own. */
const ALL: readonly [string, string][] = [...ENTRIES, ["payload", PAYLOAD_LETTER], ["error:", ERROR_LETTER]];
/** Errors stand before what may be long. */
const LONG = ENTRIES.findIndex(([name]) => name === "progress_msg");

function table(pairs: readonly (readonly [string, string])[]): string {
  return `{ ${pairs.map(([key, value]) => `${key} = '${value}'`).join(", ")} }`;
}

function list(names: readonly (readonly [string, string])[]): string {
  return `{ ${names.map(([name]) => `'${name}'`).join(", ")} }`;
}

/** Lua: a table by the bytes of letters. */
function byBytes(pairs: readonly (readonly [string, string])[]): string {
  return `{ ${pairs.map(([name, letter]) => `[${letter.charCodeAt(0)}] = '${name}'`).join(", ")} }`;
}

function capitals(pairs: readonly (readonly [string, string])[]): [string, string][] {
  return pairs.map(([name, letter]) => [name, letter.toUpperCase()]);
}

/** Lua: how the message of a task begins that we wrote, `messageStart` of an id and a type that are Lua themselves. */
function startOf(id: string, type: string): string {
  return `'${messageStart(`' .. ${id} .. '`, `' .. ${type} .. '`)}'`;
}

const START_OF_MESSAGE = startOf(`sub(key, ${RECORD_PREFIX.length + 1})`, "(r.type or '')");

/**
 * `unpackRecord(key, text)`: fields by name, what is not said of a time or a state left out. `packRecord(key, r)`: the
 * text. `packEntry(entry)`, `unpackEntry(packed)`, `packed(letter, value)`: as docs/wire.md has an entry and a field.
 * `timeOf(entry)`: the ms in its id. Needs `wrongType` of lua.ts.
 */
export const PACKING = `
local byte, find, format, match, sub, type = string.byte, string.find, string.format, string.match, string.sub, type
local STATES = ${byBytes(Object.entries(STATE_LETTERS))}
local NAMES = ${byBytes([...ALL, ...capitals(ALL)])}
local STARTS = ${table(Object.entries(STATE_LETTERS).map(([state, letter]) => [state, MAGIC + letter]))}
local LETTERS = ${table(ENTRIES)}
local SHORT = ${list(ENTRIES.slice(0, LONG))}
local LONG = ${list(ENTRIES.slice(LONG).filter(([name]) => name !== "message"))}
local UNITS = { ${Object.entries(RETENTION_UNITS)
  .map(([letter, ms]) => `{ '${letter}', ${ms} }`)
  .join(", ")} }
local DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'
local function inBase36(n)
  local text = ''
  repeat
    local digit = n % 36
    text = sub(DIGITS, digit + 1, digit + 1) .. text
    n = (n - digit) / 36
  until n == 0
  return text
end
-- What was worked out: times, entries and retentions, from one form to the other, the packed form of messages.
local shortTimes, longTimes, entryTimes, shortEntries, retentions, messages = {}, {}, {}, {}, {}, {}
local function timeOf(entry)
  local ms = entryTimes[entry]
  if not ms then
    ms = match(entry, '^%d+')
    entryTimes[entry] = ms
  end
  return ms
end
local function packEntry(entry)
  local known = shortEntries[entry]
  if known then return known end
  local ms, number = match(entry, '^([1-9]%d*)%-(%d+)$')
  if not ms or tonumber(number) >= ${MOST_SHORT} or find(number, '^0.') then return entry end
  local short = shortTimes[ms]
  if not short then
    local n = tonumber(ms)
    if n < ${EARLIEST_SHORT} or n > ${LATEST_SHORT} then return entry end
    short = inBase36(n)
    shortTimes[ms] = short
  end
  return short .. inBase36(tonumber(number))
end
local function unpackEntry(value)
  if find(value, '-', 1, true) then return value end
  local short = sub(value, 1, 8)
  local ms = longTimes[short]
  if not ms then
    local n = tonumber(short, 36)
    if not n then return value end
    ms = format('%.0f', n)
    longTimes[short] = ms
  end
  local number = tonumber(sub(value, 9), 36)
  if not number then return value end
  local entry = format('%s-%.0f', ms, number)
  shortEntries[entry], entryTimes[entry] = value, ms
  return entry
end
local function shortRetention(value)
  local ms = match(value, '^[1-9]%d*$') and #value <= 15 and tonumber(value)
  if not ms then return value end
  for _, unit in ipairs(UNITS) do
    if ms % unit[2] == 0 then return format('%.0f', ms / unit[2]) .. unit[1] end
  end
  return value
end
local function longRetention(value)
  local known = retentions[value]
  if known then return known end
  local number, letter = match(value, '^(%d+)(%a)$')
  local ms = value
  for _, unit in ipairs(UNITS) do
    if unit[1] == letter then ms = format('%.0f', tonumber(number) * unit[2]) end
  end
  retentions[value] = ms
  return ms
end
-- What is written shorter.
local SHORTER = { entry = packEntry, retention = shortRetention }
local function noRecord(key) return wrongType(key, redis.call('TYPE', key).ok, 'record') end
local function unpackRecord(key, text)
  local magic, state = byte(text, 1, 2)
  state = magic == ${MAGIC.charCodeAt(0)} and STATES[state]
  if not state then error(noRecord(key)) end
  local r, at, size = { state = state }, ${MAGIC.length + 2}, #text
  while at < size do
    local letter, length = byte(text, at, at + 1)
    local start, from = at, at + 2
    if letter < 91 then length = length < 58 and length - 48 or length - 87
    else
      local colon = find(text, ':', from, true)
      length = colon and tonumber(sub(text, at + 1, colon - 1))
      if not length then break end
      from = colon + 1
    end
    at = from + length
    if length < 0 or at > size + 1 then break end
    local name = NAMES[letter]
    if name then
      local value = sub(text, from, at - 1)
      if name == 'entry' then r.entry = unpackEntry(value)
      elseif name == 'retention' then r.retention = longRetention(value)
      elseif name == 'payload' then
        local message = ${START_OF_MESSAGE} .. value .. '}'
        r.message = message
        if #value <= ${LONGEST_COPY} then messages[message] = { r.type, sub(text, start, at - 1) } end
      elseif name == 'error:' then
        local number, json = match(value, '^(%d+) (.*)$')
        if number then r['${ERROR_FIELD}' .. number] = json end
      else r[name] = value end
    end
  end
  r.queue = r.queue or '${DEFAULT_QUEUE}'
  return r
end
-- What is not said: each is asked of a value that is there.
local LEFT_OUT = {
  enqueued_at = function(r, value) return r.entry and timeOf(r.entry) == value end,
  priority = function(r, value) return value == '0' end,
  queue = function(r, value) return value == '${DEFAULT_QUEUE}' end,
  progress = function(r, value) return value == (r.state == 'done' and '1' or '0') end,
  completions = function(r, value) return value == (r.state == 'done' and '1' or '0') end,
  crashes = function(r, value) return value == '0' end,
}
local CAPITALS = ${table(ALL.map(([, letter]) => [letter, letter.toUpperCase()]))}
local function packed(letter, value)
  local length = #value
  if length >= ${SHORT_BASE} then return letter .. length .. ':' .. value end
  return CAPITALS[letter] .. sub(DIGITS, length + 1, length + 1) .. value
end
local function pack(out, letter, value) out[#out + 1] = packed(letter, value) end
local function packFields(out, names, r)
  for i = 1, #names do
    local name = names[i]
    local value = r[name]
    if value and value ~= '' then
      if type(value) == 'number' then value = format('%.0f', value) end
      local isLeftOut, shorter = LEFT_OUT[name], SHORTER[name]
      if not (isLeftOut and isLeftOut(r, value)) then
        pack(out, LETTERS[name], shorter and shorter(value) or value)
      end
    end
  end
end
local function packMessage(out, key, r)
  local message = r.message
  if not message or message == '' then return end
  if #message > ${LONGEST_COPY} and r.state == 'queued' and (r.entry or '') ~= '' then return end
  local known = messages[message]
  if known and known[1] == r.type then
    out[#out + 1] = known[2]
    return
  end
  local start = ${START_OF_MESSAGE}
  if #message > #start and sub(message, 1, #start) == start and sub(message, -1) == '}' then
    pack(out, '${PAYLOAD_LETTER}', sub(message, #start + 1, -2))
  else pack(out, '${FIELD_LETTERS.message}', message) end
end
local PLAIN = { state = true, stream = true }
local function packRecord(key, r)
  local out = { STARTS[r.state] }
  packFields(out, SHORT, r)
  local numbers = {}
  for name in pairs(r) do
    if not LETTERS[name] and not PLAIN[name] then
      local number = match(name, '^${ERROR_FIELD}(%d+)$')
      if number then numbers[#numbers + 1] = tonumber(number) end
    end
  end
  if #numbers > 1 then table.sort(numbers) end
  for _, number in ipairs(numbers) do
    number = format('%.0f', number)
    pack(out, '${ERROR_LETTER}', number .. ' ' .. r['${ERROR_FIELD}' .. number])
  end
  packFields(out, LONG, r)
  packMessage(out, key, r)
  return table.concat(out)
end
`;
