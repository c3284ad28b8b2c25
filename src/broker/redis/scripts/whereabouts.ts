/**
 * Where a task is that its record says is waiting, as a fragment of Lua for the scripts that must know. An entry, a
 * group or a consumer may be deleted by hand while we run; then the record still says queued, and nothing holds the
 * task.
 */
import { MOVES, type TaskState } from "../../../task/state.ts";
import {
  CANCEL_CHANNEL,
  DOUBT,
  deadKey,
  ERROR_FIELD,
  GROUP,
  LOG_PREFIX,
  PARKED_PREFIX,
  RECORD_PREFIX,
  scheduledKey,
} from "../keys.ts";
import { RECORDS } from "../records/record-lua.ts";
import { LAST_DELIVERED, TAKE_OUT } from "./leave-stream.ts";

/** Why a task is dead whose entry another program has acknowledged: only that program knows how it ended. */
export const ENDED_ELSEWHERE =
  "ended outside of taskexe: another program acknowledged it, or its consumer was deleted; how it ended is not known";

/** A Lua condition: the value is one of these states. */
export function isOneOf(value: string, states: readonly TaskState[]): string {
  return `(${states.map((state) => `${value} == '${state}'`).join(" or ")})`;
}

/**
 * `isOwn(stream, consumer, entry, isDoubtful)`: whether the entry is this consumer's; nil where it is gone. One that
 * was delivered and is nobody's was taken from its consumer by hand, and one that is to come may be in a group that was
 * made anew: only where that is known it is still ours, since others may have handed it back. It is not where its task
 * was called dead, since it had ended elsewhere, or was queued again. `isHeld(id, r)`, r being a record: whether its
 * entry is somebody's or still to be delivered, or its id waits in the sorted set for its state.
 * `isOfProgress(r)`: progress alone has made this record; the next delivery, a first one, cannot know of it.
 * `requeue(key, id, given)`: queues it where nothing holds it, with its own message, or with this one where that is
 * gone: it was long, and stood in the entry alone. `forgetElsewhere(key, id)`: takes the record away of one that ended
 * outside of taskexe, so that its id is free again.
 */
export const WHEREABOUTS = `${RECORDS}
local isGroupGone = false
local function holder(stream, entry)
  local ok, p = pcall(call, 'XPENDING', stream, '${GROUP}', entry, entry, 1)
  if ok then return p[1] and p[1][2] end
  -- Where no executor has ever been up there is no group, and the answer is an error.
  if string.sub(oneOnly(p), 1, 7) ~= 'NOGROUP' then error({ err = oneOnly(p) }) end
  isGroupGone = true
  return false
end
${LAST_DELIVERED}${TAKE_OUT}
local function isGivenUp(entry, message)
  local ok, task = pcall(cjson.decode, message)
  if not ok or type(task) ~= 'table' or type(task.id) ~= 'string' then return false end
  local isRecord, r = pcall(headOf, '${RECORD_PREFIX}' .. task.id)
  if not isRecord or not r then return false end
  if r.state == 'dead' then return r.entry == entry and r.reason == '${ENDED_ELSEWHERE}' end
  return ${isOneOf("r.state", MOVES.claim.from)} and r.entry ~= '' and r.entry ~= entry
end
local function isOwn(stream, consumer, entry, isDoubtful)
  local owner = holder(stream, entry)
  if owner then return owner == consumer end
  local message = entryMessage(stream, entry)
  if not message then return nil end
  if isGivenUp(entry, message) then return false end
  return isDoubtful or isGroupGone or not isToCome(stream, entry)
end
local function isHeld(id, r)
  if ${isOneOf("r.state", MOVES.promote.from)} then
    return call('ZSCORE', '${scheduledKey("")}' .. r.queue, id) and true or false
  end
  if r.entry == '' then
    return call('ZSCORE', '${PARKED_PREFIX}' .. r.queue .. ':' .. (r.type or ''), id) and true or false
  end
  if #call('XRANGE', r.stream, r.entry, r.entry) == 1 and isToCome(r.stream, r.entry) then return true end
  return holder(r.stream, r.entry) and true or false
end
local function isWaiting(state)
  return ${isOneOf("state", [...MOVES.claim.from, ...MOVES.promote.from])}
end
local function isOfProgress(r) return not r.retention and not r['${ERROR_FIELD}1'] end
local function forgetElsewhere(key, id)
  local r = readRecord(key)
  if not r or r.state ~= 'dead' or r.reason ~= '${ENDED_ELSEWHERE}' or not r.queue then return false end
  mayRun('DEL', key)
  mayRun('ZREM', '${deadKey("")}' .. r.queue)
  call('DEL', key)
  call('DEL', '${LOG_PREFIX}' .. id)
  call('ZREM', '${deadKey("")}' .. r.queue, id)
  return true
end
local function requeue(key, id, given)
  local r = readRecord(key)
  if not r or not isWaiting(r.state) or not r.queue or isHeld(id, r) then return false end
  local message, old = messageOf(r) or given, r.entry
  if not message or message == '' then return false end
  mayRun('SET', key)
  mayRun('DEL', key)
  local new = call('XADD', r.stream, '*', 'message', message)
  if isOfProgress(r) then call('DEL', key)
  else
    r.state, r.entry, r.due_at, r.message = '${MOVES.promote.to}', new, nil, message
    writeRecord(key, r)
  end
  -- A stream that is made anew within the same millisecond gives the same ids again.
  if old ~= '' and old ~= new then takeOut(r.stream, old) end
  -- Somebody may run it still: whoever ends it asks first whether it is theirs.
  redis.pcall('PUBLISH', '${CANCEL_CHANNEL}', '${DOUBT}')
  return true
end
`;
