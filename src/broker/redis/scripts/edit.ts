/**
 * Changes tasks that wait, many in one script. One that stands in a stream gets a new entry at its end, and what stood
 * before it is void: an entry cannot be changed. One that somebody has claimed is left as it is.
 */
import type { Redis } from "ioredis";
import { MOVES, TASK_STATES, type TaskState } from "../../../task/state.ts";
import { PARKED_PREFIX, RECORD_PREFIX, scheduledKey, VOID_ENTRIES_KEY } from "../keys.ts";
import { runScript, script } from "./lua.ts";
import { isOneOf, WHEREABOUTS } from "./whereabouts.ts";

const { promote, postpone } = MOVES;

/** In place of the state: its message is another one than was said. */
const OTHER = "other";

/**
 * ARGV record prefix, then 5 of each task: id, the message that it must have ("": any), the new one ("": the same),
 * priority ("": the same), in how many ms it is due ("": as it is) -> 2 of each: the state it was in ("": none is kept;
 * "${OTHER}"), 1 where it was changed.
 */
const EDIT = script(
  `${WHEREABOUTS}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function edit(id, was, message, priority, delay)
  local key = ARGV[1] .. id
  local r = readRecord(key)
  if not r then return '', 0 end
  local state = r.state
  if not isWaiting(state) or not r.queue then return state, 0 end
  local isTimed, isParked = ${isOneOf("state", promote.from)}, false
  local scheduled, parked = '${scheduledKey("")}' .. r.queue, '${PARKED_PREFIX}' .. r.queue .. ':' .. (r.type or '')
  if isTimed then
    if not call('ZSCORE', scheduled, id) then return state, 0 end
  elseif r.entry == '' then
    isParked = true
    if not call('ZSCORE', parked, id) then return state, 0 end
  else
    if not isToCome(r.stream, r.entry) then return holder(r.stream, r.entry) and 'running' or state, 0 end
    r.message = entryMessage(r.stream, r.entry)
  end
  if not r.message or r.message == '' then return state, 0 end
  if was ~= '' and r.message ~= was then return '${OTHER}', 0 end
  delay = tonumber(delay)
  if message == '' and priority == '' and (delay == nil or (delay == 0 and not isTimed)) then return state, 0 end
  local oldStream, oldEntry = r.stream, r.entry
  if message ~= '' then r.message = message end
  if priority ~= '' then
    r.priority = priority ~= '0' and priority or nil
    r.stream = 'te.' .. priority .. '.' .. r.queue
  end
  local isToWait = delay ~= nil and delay > 0
  local isToLine = not isToWait and (oldEntry ~= '' or (isTimed and delay == 0))
  expect('zset', '${VOID_ENTRIES_KEY}', scheduled, parked)
  expect('stream', r.stream)
  mayRun('MSET', key)
  mayRun('DEL', key)
  if isToWait then mayRun('ZADD', scheduled) end
  if isToLine then mayRun('XADD', r.stream) end
  if isTimed then mayRun('ZREM', scheduled) end
  if isParked then mayRun('ZREM', parked) end
  if oldEntry ~= '' then mayRun('ZADD', '${VOID_ENTRIES_KEY}') end
  if isToWait then
    if isParked then call('ZREM', parked, id) end
    r.entry, r.due_at = '', string.format('%.0f', now + delay)
    if not isTimed then r.state = '${postpone.to}' end
    call('ZADD', scheduled, r.due_at, id)
  elseif isToLine then
    r.entry = call('XADD', r.stream, '*', 'message', r.message)
    if isTimed then
      r.state, r.due_at = '${promote.to}', nil
      call('ZREM', scheduled, id)
    end
  end
  -- As the promoter does: one that tells nothing keeps no record while it stands in line.
  if isTimed and isToLine and r.retention == '0' and state == 'scheduled' and not r.unique then call('DEL', key)
  else writeRecord(key, r) end
  if oldEntry ~= '' then makeVoid(oldStream, oldEntry) end
  return state, 1
end
local out = {}
for i = 2, #ARGV, 5 do
  local state, edited = edit(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
  out[#out + 1] = state
  out[#out + 1] = edited
end
return out`,
  0,
);

/** A change as the script takes it. */
export interface EditWords {
  readonly id: string;
  readonly was: string;
  readonly message: string;
  readonly priority: number | undefined;
  readonly delayMs: number | undefined;
}

export interface Edited {
  readonly id: string;
  readonly state: TaskState | null;
  readonly edited: boolean;
  /** Whether its message was another one. */
  readonly isOther: boolean;
}

export async function editBy(redis: Redis, edits: readonly EditWords[]): Promise<Edited[]> {
  if (edits.length === 0) return [];
  const words = edits.flatMap(({ id, was, message, priority, delayMs }) => [
    ...[id, was, message, priority ?? "", delayMs === undefined ? "" : Math.ceil(delayMs)],
  ]);
  const reply = await runScript(redis, EDIT, RECORD_PREFIX, ...words);
  const told: unknown[] = Array.isArray(reply) ? reply : [];
  return edits.map(({ id }, index) => {
    const [was, edited] = told.slice(2 * index);
    const state = TASK_STATES.find((name) => name === was) ?? null;
    return { id, state, edited: edited === 1, isOther: was === OTHER };
  });
}
