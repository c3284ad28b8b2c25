/**
 * Records of the usual kind, changed where they lie: of a task that is scheduled, queued or cancelled, and tells
 * nothing but what its enqueue wrote and when it ended. Most tasks of one script are alike but for their times and
 * messages: what stands between those is read once, and a changed record is put together of pieces of the old one. To
 * read all its fields and to pack them again takes Redis five times as long. Whatever else a record tells,
 * record-lua.ts reads.
 */
import { FIELD_LETTERS, LONGEST_COPY, messageStart, packedStart, SHORT_BASE } from "./codec.ts";

const { entry, enqueued_at, due_at, finished_at, retention, priority, queue, type, reason } = FIELD_LETTERS;

/** A Lua pattern: the letter of a short field, and its length. */
function mark(letter: string): string {
  return `${letter.toUpperCase()}%w`;
}

/** How the message of a task begins, id and type being Lua. */
const START = `'${messageStart("' .. id .. '", "' .. kind .. '")}'`;

/**
 * `usual(state, key, text)`: the facts of such a record, where its message begins, and two values that stand before the
 * facts: of a queued one its entry, packed, of a scheduled one since when and until when it is, of a cancelled one its
 * entry and when it ended; nil where it is another one. Facts: `queue`, `type`, `stream`, `retention` (nil: none), and
 * how they stand there, `kept`. `usualMessage(facts, id, text, at)`: the message that begins there. `copyOf(text, at)`:
 * what of it stands in the record of a task whose entry holds it. Needs RECORDS.
 */
export const SPLICE = `
local SHAPES = {
  queued = '^${packedStart("queued")}${mark(entry)}([%l%d]+)()()',
  scheduled = '^${packedStart("scheduled")}${mark(enqueued_at)}(%d+)${mark(due_at)}(%d+)()',
  cancelled = '^${packedStart("cancelled")}${mark(entry)}([%l%d]+)${mark(finished_at)}(%d+)()',
}
local FACTS = { ${[retention, priority, queue, type].map((each) => `${each} = true`).join(", ")} }
local lastFacts = {}
local function isMessage(text, at)
  local letter = NAMES[byte(text, at)]
  return letter == 'payload' or letter == 'message'
end
local function readFacts(state, key, text, from)
  local at, factsEnd = from, from
  while not isMessage(text, at) do
    local letter, length, start = match(text, '^(%u)(%w)()', at)
    if letter then letter, length = string.lower(letter), tonumber(length, ${SHORT_BASE})
    else letter, length, start = match(text, '^(%l)(%d+):()', at) end
    if not letter or not (FACTS[letter] or letter == '${reason}') then return nil end
    at = start + length
    if FACTS[letter] then factsEnd = at end
  end
  local r = loadRecord(key, text)
  if not r.type then return nil end
  local raw = sub(text, from, at - 1)
  local facts = { raw = raw, size = #raw, kept = sub(text, from, factsEnd - 1),
    queue = r.queue, type = r.type, stream = r.stream, retention = r.retention }
  lastFacts[state] = facts
  return facts
end
local function usual(state, key, text)
  local first, second, from = match(text, SHAPES[state])
  if not from then return nil end
  local facts = lastFacts[state]
  if not facts or sub(text, from, from + facts.size - 1) ~= facts.raw or not isMessage(text, from + facts.size) then
    facts = readFacts(state, key, text, from)
    if not facts then return nil end
  end
  return facts, from + facts.size, first, second
end
local function usualMessage(facts, id, text, at)
  local letter, kind = byte(text, at), facts.type
  local from = letter < 91 and at + 2 or find(text, ':', at, true) + 1
  local value = sub(text, from)
  if NAMES[letter] == 'message' then return value end
  return ${START} .. value .. '}'
end
local function copyOf(message, text, at)
  return #message > ${LONGEST_COPY} and '' or sub(text, at)
end
`;
