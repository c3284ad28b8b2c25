/** Cancels tasks that wait, and flags those that run or are not known, many in one script. */
import type { Redis } from "ioredis";
import { MOVES, TASK_STATES } from "../../../task/state.ts";
import type { CancelReceipt } from "../../broker.ts";
import { followPrefix, KEPT_AFTER_CANCEL_MS } from "../../contract/follow-up.ts";
import {
  CANCELLED_KEY,
  cancelFlagKey,
  cancelledKey,
  GROUP,
  ON_CANCELLED_KEY,
  PARKED_PREFIX,
  RECORD_PREFIX,
  scheduledKey,
  streamKey,
  waitingCancelledKey,
} from "../keys.ts";
import { FIELD_LETTERS, packedStart } from "../records/codec.ts";
import { SPLICE } from "../records/splice-lua.ts";
import { FOLLOW } from "./follow.ts";
import { runScript, script } from "./lua.ts";
import { isOneOf, WHEREABOUTS } from "./whereabouts.ts";

const { promote, cancel } = MOVES;

/**
 * Lua. `cancel(id, flag, text)`: cancels a task and tells the state it was in, "" where no record is kept; `text` is
 * the record as it was read a moment ago, nil where it was not; then may come where it waits if it has none: its entry,
 * queue, priority and type. `finishAll()`: writes what was put off. ARGV from 1:
 * group, record prefix, marks key, scheduled key less the queue, cancelled index less the queue, reason, parked key
 * less queue and type, waiting marks less the queue, what follows a cancel by type.
 */
export const CANCELLING = `${WHEREABOUTS}${SPLICE}${FOLLOW}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ARGV = ARGV
-- Times as text; they are few.
local texts = {}
local function int(n)
  texts[n] = texts[n] or format('%.0f', n)
  return texts[n]
end
expect('zset', ARGV[3])
-- Members of sorted sets, by key: they are added together at the end.
local members, leaving, checked, isAnyParked = {}, {}, {}, {}
local function leave(key, id)
  local list = leaving[key] or {}
  leaving[key] = list
  list[#list + 1] = id
end
local function add(key, score, id)
  local list = members[key] or {}
  members[key] = list
  list[#list + 1] = int(score)
  list[#list + 1] = id
end
-- The flag's name is the producers' (ID-cancel): with GET, what another kind of key has there is not overwritten.
local function setFlag(flag, ms)
  local held = redis.pcall('SET', flag, 'x', 'PX', int(ms), 'GET')
  if type(held) ~= 'table' or not held.err then return end
  expect('string', flag)
  error(held)
end
local function mark(id, flag, ms)
  setFlag(flag, ms)
  add(ARGV[3], now + ms, id)
end
local function mayBeParked(key)
  if isAnyParked[key] == nil then isAnyParked[key] = call('EXISTS', key) == 1 end
  return isAnyParked[key]
end
local function unpark(key, id) return mayBeParked(key) and call('ZREM', key, id) == 1 end
local function checkQueue(queue)
  if not checked[queue] then expect('zset', ARGV[5] .. queue, ARGV[8] .. queue) end
  checked[queue] = true
end
local REASON, FINISHED = packed('${FIELD_LETTERS.reason}', ARGV[6]), packed('${FIELD_LETTERS.finished_at}', int(now))
local function finishUsual(key, id, facts, start, message)
  putText(key, '${packedStart("cancelled")}' .. start .. FINISHED .. facts.kept .. REASON .. message)
  local kept = tonumber(facts.retention) or 0
  add(ARGV[5] .. facts.queue, now + (kept > 0 and kept or 60000), id)
end
-- Those that are cancelled together mostly stand together: to find each entry by itself takes as long as ten in a row.
local entriesOf, ahead, isHit = {}, 2, true
local function stands(stream, entry)
  local known = entriesOf[stream] or {}
  entriesOf[stream] = known
  if known[entry] then
    isHit = true
    return true
  end
  ahead = isHit and math.min(2 * ahead, 16) or 2
  isHit = false
  for _, one in ipairs(call('XRANGE', stream, entry, '+', 'COUNT', ahead)) do known[one[1]] = true end
  return known[entry]
end
-- What follows, as the executors have told, and as the message says; nil: nothing does.
local someFollow = call('EXISTS', ARGV[9]) == 1
local function followOf(id, r)
  local message, said = r.message or '', {}
  if find(message, '"follows"', 1, true) or find(message, '"on_cancelled"', 1, true) then
    local ok, task = pcall(cjson.decode, message)
    if ok and type(task) == 'table' and type(task.taskexe) == 'table' then said = task.taskexe end
  end
  if said.follows then return nil end
  local kind = type(said.on_cancelled) == 'string' and said.on_cancelled
  if not kind and someFollow then
    local ofType, ofAll = unpack(call('HMGET', ARGV[9], r.type or '', ''))
    kind = ofType or ofAll
  end
  if not kind then return nil end
  local what = r.entry ~= '' and r.stream .. '|' .. r.entry or int(now)
  local new = '${followPrefix("cancelled")}' .. shownId(id) .. ':' .. sub(redis.sha1hex(id .. ' ' .. what), 1, 8)
  local before = '{"id":' .. encoded(new) .. ',"task_type":' .. encoded(kind) .. ',"payload":'
  local after = ',"taskexe":{"follows":' .. encoded(id) .. '}}'
  local kept = tonumber(r.retention) or 0
  if kept == 0 then kept = ${KEPT_AFTER_CANCEL_MS} end
  return { 'FOLLOW', id, new, kind, '${streamKey("", 0)}' .. r.queue, r.queue, int(kept), '', before, after, '', '' }
end
-- One that waits in a stream, and one that is not due, as nearly all are; nil for any other.
local function cancelUsual(id, flag, key, text)
  if someFollow or find(text, '"on_cancelled"', 1, true) then return nil end
  local facts, at, short = usual('queued', key, text)
  if facts then
    local queue, entry = facts.queue, unpackEntry(short)
    if not isToCome(facts.stream, entry) or mayBeParked(ARGV[7] .. queue .. ':' .. facts.type) then return nil end
    if find(text, '"unique_for_ms"', at, true) or not stands(facts.stream, entry) then return nil end
    checkQueue(queue)
    mark(id, flag, 2592000000)
    finishUsual(key, id, facts, packed('${FIELD_LETTERS.entry}', short), sub(text, at))
    add(ARGV[8] .. queue, now + 2592000000, id)
    return 'queued'
  end
  facts, at, short = usual('scheduled', key, text)
  if not facts or find(text, '"unique_for_ms"', at, true) then return nil end
  checkQueue(facts.queue)
  leave(ARGV[4] .. facts.queue, id)
  finishUsual(key, id, facts, packed('${FIELD_LETTERS.enqueued_at}', short), sub(text, at))
  return 'scheduled'
end
-- One that waits without a record gets one by its cancel.
local function waiting(entry, queue, priority, kind)
  if not entry or entry == '' then return nil end
  local stream = 'te.' .. priority .. '.' .. queue
  if not isToCome(stream, entry) or not stands(stream, entry) then return nil end
  local r = { state = 'queued', entry = entry, queue = queue, priority = priority, type = kind, stream = stream }
  r.enqueued_at = timeOf(entry)
  return r
end
local function cancel(id, flag, text, ...)
  local key = ARGV[2] .. id
  text = text or readText(key)
  local usualState = type(text) == 'string' and cancelUsual(id, flag, key, text)
  if usualState then return usualState end
  local r = loadRecord(key, text) or waiting(...)
  local state = r and r.state
  if not state then
    mark(id, flag, 3600000)
    return ''
  end
  if not ${isOneOf("state", cancel.from)} then return state end
  local hasEntry = r.entry ~= ''
  local isStillToCome = hasEntry and isToCome(r.stream, r.entry)
  -- One that was never delivered is nobody's.
  if hasEntry and not isStillToCome and holder(r.stream, r.entry) then
    setFlag(flag, 3600000)
    return 'running'
  end
  -- Once it has ended, its message stands in its record, whatever becomes of the entry.
  local standing = hasEntry and entryMessage(r.stream, r.entry)
  r.message = standing or r.message
  local timed = timedKey(r.unique_for_a_time, r.queue, r.message)
  local step = followOf(id, r)
  local function finish()
    local kept = tonumber(r.retention) or 0
    r.state, r.finished_at, r.reason, r.due_at = '${cancel.to}', int(now), ARGV[6], nil
    if step then
      -- What was put before it must not be lost where this fails.
      writePuts()
      follow(step, r)
    end
    putRecord(key, r)
    add(ARGV[5] .. r.queue, now + (kept > 0 and kept or 60000), id)
    free(r.unique, id)
    free(timed, id)
  end
  checkQueue(r.queue)
  if step then mayFollow(step) end
  if r.unique or timed then expect('string', r.unique or flag, timed or flag) end
  if ${isOneOf("state", promote.from)} then
    call('ZREM', ARGV[4] .. r.queue, id)
    finish()
    return state
  end
  if r.type and unpark(ARGV[7] .. r.queue .. ':' .. r.type, id) then
    finish()
    return 'queued'
  end
  local isThere
  if hasEntry then isThere = isStillToCome and standing else isThere = isHeld(id, r) end
  mark(id, flag, isThere and 2592000000 or 3600000)
  finish()
  if not isThere then
    -- Nothing holds it; should somebody run it still, the flag is seen.
    if hasEntry then takeOut(r.stream, r.entry) end
    return 'queued'
  end
  add(ARGV[8] .. r.queue, now + 2592000000, id)
  return 'queued'
end
local function finishAll()
  writePuts()
  for key, ids in pairs(leaving) do call('ZREM', key, unpack(ids)) end
  for key, list in pairs(members) do call('ZADD', key, unpack(list)) end
end
`;

/**
 * ARGV as above, then 6 of each: id, flag key, and where it waits if it is known that it has no record: entry ("": that
 * is not known), queue, priority, type -> of each the state it was in, or "" where no record is kept.
 */
const CANCEL = script(
  `${CANCELLING}
local out, reason = {}, nil
for i = 10, #ARGV, 6 do
  local ok, state = pcall(cancel, ARGV[i], ARGV[i + 1], nil, unpack(ARGV, i + 2, i + 5))
  if not ok then
    reason = type(state) == 'table' and state or { err = tostring(state) }
    break
  end
  out[#out + 1] = state
end
finishAll()
-- Those before it are cancelled.
if reason then error(reason) end
return out`,
  0,
);

/** The first words of a script with this part. @param reason - goes into the records. */
export function cancellingWords(reason: string): string[] {
  return [
    ...[GROUP, RECORD_PREFIX, CANCELLED_KEY, scheduledKey(""), cancelledKey("")],
    ...[reason, PARKED_PREFIX, waitingCancelledKey(""), ON_CANCELLED_KEY],
  ];
}

/** Where a task without a record waits. */
export interface WaitingPlace {
  readonly entry: string;
  readonly queue: string;
  readonly priority: number;
  readonly type: string;
}

/**
 * @param reason - goes into the records.
 * @param placeOf - where a task waits that has no record; undefined: that is not known.
 * @returns what each was, in order.
 */
export async function cancelTasks(
  redis: Redis,
  ids: readonly string[],
  reason: string,
  placeOf: (id: string) => WaitingPlace | undefined = () => undefined,
): Promise<CancelReceipt[]> {
  const reply = await runScript(
    redis,
    CANCEL,
    ...cancellingWords(reason),
    ...ids.flatMap((id) => {
      const { entry = "", queue = "", priority = "", type = "" } = placeOf(id) ?? {};
      return [id, cancelFlagKey(id), entry, queue, priority, type];
    }),
  );
  const states: unknown[] = Array.isArray(reply) ? reply : [];
  return ids.map((id, index) => ({ id, state: TASK_STATES.find((state) => state === states[index]) ?? null }));
}
