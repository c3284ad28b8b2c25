/** Cancels tasks that wait, and flags those that run or are not known, many in one script. */
import type { Redis } from "ioredis";
import { MOVES, TASK_STATES } from "../../../task/state.ts";
import type { CancelReceipt } from "../../broker.ts";
import {
  CANCELLED_KEY,
  cancelFlagKey,
  cancelledKey,
  GROUP,
  PARKED_PREFIX,
  RECORD_PREFIX,
  scheduledKey,
  waitingCancelledKey,
} from "../keys.ts";
import { runScript, script } from "./lua.ts";
import { isOneOf, WHEREABOUTS } from "./whereabouts.ts";

const { promote, cancel } = MOVES;

/**
 * ARGV group, record prefix, marks key, scheduled key less the queue, cancelled index less the queue, reason, parked
 * key less queue and type, waiting marks less the queue, then id and flag key in turn -> of each the state it was in,
 * or "" where no record is kept.
 */
const CANCEL = script(
  `${WHEREABOUTS}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function int(n) return string.format('%.0f', n) end
expect('zset', ARGV[3])
-- Members of sorted sets, by key: they are added together at the end.
local members, checked, isAnyParked = {}, {}, {}
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
local function unpark(key, id)
  if isAnyParked[key] == nil then isAnyParked[key] = call('EXISTS', key) == 1 end
  return isAnyParked[key] and call('ZREM', key, id) == 1
end
local function cancel(id, flag)
  local key = ARGV[2] .. id
  local r = readRecord(key)
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
  local function finish()
    local kept = tonumber(r.retention) or 0
    r.state, r.finished_at, r.reason, r.due_at = '${cancel.to}', now, ARGV[6], nil
    writeRecord(key, r)
    add(ARGV[5] .. r.queue, now + (kept > 0 and kept or 60000), id)
    free(r.unique, id)
    free(timed, id)
  end
  if not checked[r.queue] then expect('zset', ARGV[5] .. r.queue, ARGV[8] .. r.queue) end
  checked[r.queue] = true
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
    if hasEntry then call('XDEL', r.stream, r.entry) end
    return 'queued'
  end
  add(ARGV[8] .. r.queue, now + 2592000000, id)
  return 'queued'
end
local out, reason = {}, nil
for i = 9, #ARGV, 2 do
  local ok, state = pcall(cancel, ARGV[i], ARGV[i + 1])
  if not ok then
    reason = type(state) == 'table' and state or { err = tostring(state) }
    break
  end
  out[#out + 1] = state
end
for key, list in pairs(members) do call('ZADD', key, unpack(list)) end
-- Those before it are cancelled.
if reason then error(reason) end
return out`,
  0,
);

/** @param reason - goes into the records. @returns what each was, in order. */
export async function cancelTasks(redis: Redis, ids: readonly string[], reason: string): Promise<CancelReceipt[]> {
  const reply = await runScript(
    redis,
    CANCEL,
    ...[GROUP, RECORD_PREFIX, CANCELLED_KEY, scheduledKey(""), cancelledKey("")],
    ...[reason, PARKED_PREFIX, waitingCancelledKey("")],
    ...ids.flatMap((id) => [id, cancelFlagKey(id)]),
  );
  const states: unknown[] = Array.isArray(reply) ? reply : [];
  return ids.map((id, index) => ({ id, state: TASK_STATES.find((state) => state === states[index]) ?? null }));
}
