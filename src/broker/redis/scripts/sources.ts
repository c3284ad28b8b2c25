/** Sources: members of keys become tasks, many in one script. */
import { type KeySource, type MoveIn, SOURCE_HELD_MS } from "../../contract/sources.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { RECORD_PREFIX, sourceKey, streamKey } from "../keys.ts";
import type { RedisQueueRegister } from "../queue-register.ts";
import { FIELD_LETTERS, LONGEST_COPY, PAYLOAD_LETTER, packedStart, packFacts } from "../records/codec.ts";
import { SPLICE } from "../records/splice-lua.ts";
import { runScript, script } from "./lua.ts";
import { WHEREABOUTS } from "./whereabouts.ts";

/** `hold(key, name, ms)`: whether this one holds the source, from now on for so long. */
const HOLD = `
local function hold(key, name, ms)
  local holder = call('GET', key)
  if holder and holder ~= name then return false end
  -- Written only now and then: an idle source is looked at often.
  if not holder or call('PTTL', key) < ms / 2 then call('SET', key, name, 'PX', ms) end
  return true
end
`;

/**
 * KEYS source, holder, stream; ARGV name, for how many ms, kind, order, max, name of the source, type, queue, retention
 * in ms, the packed facts of records, priority, what stands in a message between id and payload, 1 where a record may
 * leave that out -> 0 where another holds it, else 1, how many were taken, how many of
 * them are no JSON, how many were known, in how many ms the next is due (-1: not known).
 *
 * A member that names its type is a message; one without an id is given one. Any other JSON is a payload. What is no
 * JSON is queued as it is: the executor that claims it buries it, with its text.
 */
const MOVE_IN = script(
  `${WHEREABOUTS}${SPLICE}${HOLD}
if not hold(KEYS[2], ARGV[1], tonumber(ARGV[2])) then return { 0, 0, 0, 0, -1 } end
local kind, order, max = ARGV[3], ARGV[4], tonumber(ARGV[5])
local source, taskType, queue, retention, facts = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
expect(kind, KEYS[1])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local members, untilNext = {}, -1
if kind == 'list' then
  members = order == 'left' and call('LRANGE', KEYS[1], 0, max - 1) or call('LRANGE', KEYS[1], -max, -1)
elseif order == 'score' then members = call('ZRANGE', KEYS[1], 0, max - 1)
else
  -- Seconds stand before ms, whatever their time.
  members = call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.3f', math.min(now / 1000, 99999999999)),
    'LIMIT', 0, max)
  if #members < max then
    local later = call('ZRANGEBYSCORE', KEYS[1], '1e11', string.format('%.0f', now), 'LIMIT', 0, max - #members)
    for _, member in ipairs(later) do members[#members + 1] = member end
  end
  if #members < max then
    local s = call('ZRANGEBYSCORE', KEYS[1], string.format('(%.3f', now / 1000), '(1e11', 'WITHSCORES', 'LIMIT', 0, 1)
    local ms = call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    local function sooner(at) if untilNext < 0 or at - now < untilNext then untilNext = at - now end end
    if s[2] then sooner(math.ceil(tonumber(s[2]) * 1000)) end
    if ms[2] and tonumber(ms[2]) >= 1e11 then sooner(math.ceil(tonumber(ms[2]))) end
  end
end
local count = #members
if count == 0 then return { 1, 0, 0, 0, untilNext } end
expect('stream', KEYS[3])
mayRun('XADD', KEYS[3])
mayRun(kind == 'list' and 'LTRIM' or 'ZREM', KEYS[1])
mayRun('MSET', '${RECORD_PREFIX}' .. source)
local START = '${packedStart("queued")}'
local beforeId, beforeType = '{"id":"', ARGV[12]
local stem = string.format('%s-%.0f%06d-', source, tonumber(t[1]), tonumber(t[2]))
local bad, known, keeps = 0, 0, tonumber(retention) > 0
-- Another kind of key in the place of a record must not end this in the middle.
local function isThere(id)
  local ok, state = pcall(stateOf, '${RECORD_PREFIX}' .. id)
  return not ok or state
end
local function newId(n)
  local id = stem .. n
  -- Never, but where the clock was set back.
  while keeps and isThere(id) do id = id .. 'x' end
  return id
end
local function add(id, isOwn, message, payload, kept)
  local entry = call('XADD', KEYS[3], '*', 'message', message)
  if not kept or tonumber(kept) <= 0 then return end
  local key = '${RECORD_PREFIX}' .. id
  if payload and ARGV[13] == '1' then
    local copy = #message > ${LONGEST_COPY} and '' or packed('${PAYLOAD_LETTER}', payload)
    putText(key, START .. packed('${FIELD_LETTERS.entry}', packEntry(entry)) .. facts .. copy)
  else
    putRecord(key, { state = 'queued', entry = entry, type = isOwn, queue = queue, priority = ARGV[11],
      retention = kept, message = message })
  end
end
local function move(member, n)
  local ok, value = pcall(cjson.decode, member)
  if not ok then
    bad = bad + 1
    call('XADD', KEYS[3], '*', 'message', member)
    return
  end
  local ofMember = type(value) == 'table' and type(value.task_type) == 'string' and value.task_type
  if not ofMember then
    local id = newId(n)
    add(id, taskType, beforeId .. id .. beforeType .. member .. '}', member, retention)
    return
  end
  local options = type(value.taskexe) == 'table' and value.taskexe or {}
  local kept = type(options.retention_ms) == 'number' and string.format('%.0f', options.retention_ms) or retention
  if type(value.id) ~= 'string' then
    if value.id ~= nil then
      -- It says one that can be none: whoever claims it says so.
      call('XADD', KEYS[3], '*', 'message', member)
      return
    end
    local id = newId(n)
    add(id, ofMember, (string.gsub(member, '{', function() return '{"id":"' .. id .. '",' end, 1)), nil, kept)
    return
  end
  if value.id == '' or #value.id > 256 then kept = '0' end
  if tonumber(kept) > 0 and isThere(value.id) then known = known + 1
  else add(value.id, ofMember ~= '' and ofMember or 'default', member, nil, kept) end
end
for i = 1, count do
  local at = order == 'right' and count + 1 - i or i
  move(members[at], i)
end
writePuts()
if kind == 'list' then
  if order == 'left' then call('LTRIM', KEYS[1], count, -1) else call('LTRIM', KEYS[1], 0, -count - 1) end
else
  for i = 1, count, 1000 do call('ZREM', KEYS[1], unpack(members, i, math.min(i + 999, count))) end
end
return { 1, count, bad, known, count == max and 0 or untilNext }`,
  3,
);

/** @param executor - its name: it holds what it moves from. */
export function movesIn(connections: RedisConnections, register: RedisQueueRegister, executor: string): MoveIn {
  return async (source: KeySource, max: number) => {
    const { name, key, kind, order, type, queue, priority } = source;
    if (register.isDue(queue)) await register.use([queue]);
    const retentionMs = Math.round(source.retentionMs);
    const said = JSON.stringify(type);
    const reply = await connections.run((redis) =>
      runScript(
        redis,
        MOVE_IN,
        ...[key, sourceKey(name), streamKey(queue, priority), executor, SOURCE_HELD_MS, kind, order, max, name],
        ...[type, queue, retentionMs, packFacts({ retentionMs, priority, queue, type }), priority],
        ...[`","task_type":${said},"payload":`, said === `"${type}"` ? 1 : ""],
      ),
    );
    const [isOurs, moved, bad, known, next]: unknown[] = Array.isArray(reply) ? reply : [];
    const nextInMs = Number(next ?? -1);
    return {
      isOurs: isOurs === 1,
      ...{ moved: Number(moved), bad: Number(bad), known: Number(known) },
      nextInMs: nextInMs < 0 ? null : nextInMs,
    };
  };
}
