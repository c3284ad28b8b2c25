/**
 * Cancels what waits in a stream as it is found there, many in one script: where one script looks for them and another
 * cancels them, Redis reads each entry twice, and that takes it twice as long.
 */
import type { Redis } from "ioredis";
import { MOVES } from "../../../task/state.ts";
import { MESSAGE_FIELD, VOID_ENTRIES_KEY } from "../keys.ts";
import { FIELD_LETTERS, packedStart } from "../records/codec.ts";
import { CANCELLING, cancellingWords } from "./cancel.ts";
import { runScript, script } from "./lua.ts";
import { CHUNKS, type EntryPart, OWN_MESSAGE, partsIn, TRACED_MESSAGE } from "./scan.ts";
import { FLAG_OF } from "./unflag.ts";
import { isOneOf } from "./whereabouts.ts";

/** How many entries one script looks at, which takes about 2 ms. */
const STEP = 100;

/**
 * ARGV as CANCELLING has it, then stream, its queue, the entry to begin behind ("": the last delivered one), the type
 * ("": any), 1 where a message without one is of it -> the entry to go on behind ("" at the end), how many were
 * cancelled, the ids of those that run or have no record: they are flagged; the entries that are no plain messages of
 * ours and may be of that type.
 */
const CANCEL_QUEUED = script(
  `${CANCELLING}${CHUNKS}${FLAG_OF}
local stream, queue, after, wanted, isDefault = ARGV[10], ARGV[11], ARGV[12], ARGV[13], ARGV[14] == '1'
expect('stream', stream)
local someVoid = call('EXISTS', '${VOID_ENTRIES_KEY}') == 1
if after == '' then after = lastDelivered(stream) end
if after == '' then after = '0-0' end
local isEnd, reason = false, nil
local n, flagged, odd, seen = 0, {}, {}, {}
local function isVoid(entry) return someVoid and call('ZSCORE', '${VOID_ENTRIES_KEY}', stream .. ' ' .. entry) end
local function mayBe(text)
  return isDefault or wanted == '' or find(text, wanted, 1, true) or find(text, '\\\\', 1, true)
end
-- What most have alike: marks and members of the index are added by one command each.
local marks, ends, markUntil = {}, {}, int(now + 2592000000)
local function prepare(facts)
  checkQueue(queue)
  local kept = tonumber(facts.retention) or 0
  facts.isFree = facts.stream == stream and not mayBeParked(ARGV[7] .. queue .. ':' .. facts.type)
  facts.goesAt = int(now + (kept > 0 and kept or 60000))
  facts.rest = FINISHED .. facts.kept .. REASON
end
-- As cancelUsual does it for one whose entry was found in the line, since it has just been read there.
local function cancelFound(id, key, entry, text)
  if someFollow or not text or find(text, '"on_cancelled"', 1, true) then return false end
  local facts, at, short = usual('queued', key, text)
  if not facts or unpackEntry(short) ~= entry or find(text, '"unique_for_ms"', at, true) then return false end
  if facts.isFree == nil then prepare(facts) end
  if not facts.isFree then return false end
  local flag = flagOf(id)
  if not redis.call('SET', flag, 'x', 'PXAT', markUntil, 'NX') then setFlag(flag, 2592000000) end
  putText(key, '${packedStart("cancelled")}' .. packed('${FIELD_LETTERS.entry}', short) .. facts.rest .. sub(text, at))
  local place = #marks
  marks[place + 1], marks[place + 2] = markUntil, id
  ends[place + 1], ends[place + 2] = facts.goesAt, id
  return true
end
local function cancelOne(id, key, entry, text)
  if cancelFound(id, key, entry, text) then
    n = n + 1
    return
  end
  local state = cancel(id, flagOf(id), text or nil)
  if state == '' or state == 'running' then flagged[#flagged + 1] = id
  elseif ${isOneOf("state", MOVES.cancel.from)} then n = n + 1 end
end
repeat
  local entries = call('XRANGE', stream, '(' .. after, '+', 'COUNT', math.min(size, ${STEP} - looked))
  local ids, keys, places = {}, {}, {}
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    local text, id, kind = fields[2], nil, nil
    looked, after, bytes = looked + 1, entry[1], bytes + #text
    if #fields == 2 and fields[1] == '${MESSAGE_FIELD}' then
      id, kind = match(text, '${OWN_MESSAGE}')
      if not id then id, kind = match(text, '${TRACED_MESSAGE}') end
    end
    local isMeant = id and (wanted == '' or kind == wanted) or not id and mayBe(text)
    if isMeant and not isVoid(after) then
      local place = #ids + 1
      if not id then odd[#odd + 1] = part(entry)
      elseif not seen[id] then
        ids[place], keys[place], places[place], seen[id] = id, ARGV[2] .. id, after, true
      end
    end
  end
  if #entries == 0 then isEnd = true end
  if #ids > 0 then
    writePuts()
    local texts = call('MGET', unpack(keys))
    for i, id in ipairs(ids) do
      local ok, failure = pcall(cancelOne, id, keys[i], places[i], texts[i])
      if not ok then
        reason = type(failure) == 'table' and failure or { err = tostring(failure) }
        break
      end
    end
  end
until isEnd or reason or isOver(${STEP})
finishAll()
if #marks > 0 then
  call('ZADD', ARGV[3], unpack(marks))
  call('ZADD', ARGV[8] .. queue, unpack(marks))
  call('ZADD', ARGV[5] .. queue, unpack(ends))
end
-- Those before it are cancelled.
if reason then error(reason) end
return { isEnd and '' or after, n, flagged, odd }`,
  0,
);

export interface CancelledStep {
  /** Where to go on; null at the end. */
  readonly next: string | null;
  readonly cancelled: number;
  /** Those that run, or have no record. */
  readonly flagged: readonly string[];
  readonly odd: readonly EntryPart[];
}

export interface QueuedStream {
  readonly key: string;
  readonly queue: string;
  /** "": any. */
  readonly type: string;
  /** Whether messages that name no type are of it. */
  readonly isDefaultType: boolean;
}

/** One step. @param after - null: from the beginning of what waits. @param reason - goes into the records. */
export async function cancelQueued(
  redis: Redis,
  { key, queue, type, isDefaultType }: QueuedStream,
  after: string | null,
  reason: string,
): Promise<CancelledStep> {
  const words = [key, queue, after ?? "", type, isDefaultType ? 1 : 0];
  const reply = await runScript(redis, CANCEL_QUEUED, ...cancellingWords(reason), ...words);
  const [next, cancelled, flagged, odd]: unknown[] = Array.isArray(reply) ? reply : [];
  return {
    next: next === "" || next === undefined ? null : String(next),
    cancelled: Number(cancelled ?? 0),
    flagged: Array.isArray(flagged) ? flagged.map(String) : [],
    odd: partsIn(odd),
  };
}
