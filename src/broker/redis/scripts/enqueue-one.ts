/** The enqueue of one task in Lua, and its arguments: what the scripts share that enqueue. */
import { ENDED_STATES, MOVES } from "../../../task/state.ts";
import type { EnqueueRequest } from "../../broker.ts";
import { scheduledKey, streamKey, uniqueKey } from "../keys.ts";
import {
  FIELD_LETTERS,
  LONGEST_COPY,
  PAYLOAD_LETTER,
  packedStart,
  packFacts,
  packField,
  payloadAt,
} from "../records/codec.ts";
import { isOneOf, WHEREABOUTS } from "./whereabouts.ts";

const { promote } = MOVES;

/**
 * Broker time in ms as `now`, whole numbers as text by `int`, and `enqueue(record prefix, task, place)` -> 1 when it
 * was created, its state, whose it is; `read(i)`: the task whose arguments begin there.
 */
export const ENQUEUE_ONE = `${WHEREABOUTS}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function int(n) return string.format('%.0f', n) end
local function packedMessage(r, waits)
  local message, from = r.message, tonumber(r.payloadAt)
  if #message > ${LONGEST_COPY} and not waits then return '' end
  if from == 0 then return packed('${FIELD_LETTERS.message}', message) end
  return packed('${PAYLOAD_LETTER}', string.sub(message, from + 1, -2))
end
-- What is due in the same millisecond comes in the order in which it was enqueued: a score has room for 1 024 places.
local function enqueue(prefix, r, place)
  local key = prefix .. r.id
  local state = r.state
  if state == nil then state = stateOf(key) end
  if state == 'dead' and forgetElsewhere(key, r.id) then state = false end
  if state then
    if isWaiting(state) and requeue(key, r.id, r.message) then state = '${promote.to}' end
    return 0, state, r.id
  end
  if r.unique ~= '' then
    local other = call('GET', r.unique)
    if other then
      local held = stateOf(prefix .. other)
      local ended = not held or ${isOneOf("held", ENDED_STATES)}
      -- One that is held for a time ends by itself, whatever the task that now asks for it wants.
      if tonumber(r.ttl) > 0 or not ended or call('PTTL', r.unique) >= 0 then return 0, held or 'done', other end
    end
  end
  local delay = tonumber(r.delay)
  local entry, due = '', ''
  if delay > 0 then mayRun('ZADD', r.scheduled) else mayRun('XADD', r.stream) end
  if r.unique ~= '' then mayRun('SET', r.unique) end
  mayRun('SET', key)
  local times = ''
  if delay > 0 then
    state = 'scheduled'
    due = int(now + delay)
    times = packed('${FIELD_LETTERS.enqueued_at}', int(now)) .. packed('${FIELD_LETTERS.due_at}', due)
    call('ZADD', r.scheduled, string.format('%.4f', tonumber(due) + place / 1024), r.id)
  else
    state = 'queued'
    entry = call('XADD', r.stream, '*', 'message', r.message)
    -- The entry's own time is not written, but where Redis's clock was set back.
    local ahead = tonumber(string.match(entry, '^(%d+)')) - now
    if ahead >= 1000 then times = packed('${FIELD_LETTERS.enqueued_at}', int(now)) end
  end
  if r.unique ~= '' then
    if tonumber(r.ttl) > 0 then call('SET', r.unique, r.id, 'PX', r.ttl) else call('SET', r.unique, r.id) end
  end
  -- A key that is held until its task has ended needs the task's state; one that is held for a time ends by itself.
  local holds = r.unique ~= '' and tonumber(r.ttl) == 0
  if r.kept == '1' or delay > 0 or holds then
    local start = '${packedStart("scheduled")}'
    if delay <= 0 then start = '${packedStart("queued")}' .. packed('${FIELD_LETTERS.entry}', packEntry(entry)) end
    call('SET', key, start .. times .. r.facts .. packedMessage(r, delay > 0))
  end
  return 1, state, r.id
end
local function read(i)
  return { id = ARGV[i], message = ARGV[i + 1], facts = ARGV[i + 2], kept = ARGV[i + 3], payloadAt = ARGV[i + 4],
    delay = ARGV[i + 5], stream = ARGV[i + 6], scheduled = ARGV[i + 7], unique = ARGV[i + 8], ttl = ARGV[i + 9] }
end
`;

/** How many arguments a task has. */
export const TASK_ARGUMENTS = 10;

/**
 * The 10 arguments of one task, in the order that the scripts read them: id, message, the packed fields of its record
 * that do not change, 1 where it keeps one, where the payload begins in the message (`payloadAt`), how long it waits,
 * stream, sorted set, unique key and how long that is held.
 */
export function taskArguments(request: EnqueueRequest): (string | number)[] {
  const { id, type, queue, priority, message, unique } = request;
  const [delayMs, retentionMs] = [Math.round(request.delayMs ?? 0), Math.round(request.retentionMs)];
  const key = unique ? uniqueKey(queue, unique.key) : "";
  const ttlMs = Math.round(unique?.ttlMs ?? 0);
  const facts = packFacts({ retentionMs, priority, queue, type });
  const held = key === "" ? "" : packField(ttlMs > 0 ? FIELD_LETTERS.unique_for_a_time : FIELD_LETTERS.unique, key);
  return [
    ...[id, message, facts + held, retentionMs > 0 ? 1 : "", payloadAt(id, type, message)],
    ...[delayMs, streamKey(queue, priority), scheduledKey(queue), key, ttlMs],
  ];
}
