/**
 * What people ask for by hand, many tasks in one script: a retry from the first attempt, the removal of ended records.
 */
import { ENDED_STATES, MOVES } from "../../task/state.ts";
import { ERROR_FIELD } from "./keys.ts";
import { script } from "./lua.ts";
import { RECORDS } from "./records/record-lua.ts";
import { isOneOf, WHEREABOUTS } from "./whereabouts.ts";

const { revive } = MOVES;

/**
 * Takes an entry out of its stream, whoever has it. For single ones only: the lag is unknown until it is passed. And a
 * flag away, which is a string: its name is made of an id, and what else stands there is no flag.
 */
const DROP_ENTRY = `
local function unflag(key)
  if redis.call('TYPE', key).ok == 'string' then call('DEL', key) end
end
local function dropEntry(group, stream, entry)
  call('XACK', stream, group, entry)
  call('XDEL', stream, entry)
end
`;

/**
 * ARGV record prefix, group, marks key, dead index less the queue, cancelled index less the queue, waiting marks less
 * the queue, then 5 of each task: id, flag key, the message of the first attempt, unique key ("": none), how long that
 * is held (0: until the task has ended) -> 3 of each: the state it was in ("": none is kept), 1 when it is queued
 * again, and who holds its key where another does, else "".
 */
const RETRY = `${WHEREABOUTS}${DROP_ENTRY}
expect('zset', ARGV[3])
-- Streams and queues whose keys have been looked at.
local checked = {}
local function retry(id, flag, message, unique, ttl)
  local key = ARGV[1] .. id
  local r = readRecord(key)
  if not r then return '', 0, '' end
  local state = r.state
  if isWaiting(state) then return state, requeue(key, id) and 1 or 0, '' end
  if not ${isOneOf("state", revive.from)} or message == '' then return state, 0, '' end
  if not checked[r.stream] then expect('stream', r.stream) end
  if not checked[r.queue] then expect('zset', ARGV[6] .. r.queue, ARGV[4] .. r.queue, ARGV[5] .. r.queue) end
  checked[r.stream], checked[r.queue] = true, true
  local other = unique ~= '' and call('GET', unique)
  if other and other ~= id then
    local held = stateOf(ARGV[1] .. other)
    if (held and not ${isOneOf("held", ENDED_STATES)}) or call('PTTL', unique) >= 0 then return state, 0, other end
  end
  if unique ~= '' and ttl == 0 then call('SET', unique, id) end
  if unique ~= '' and ttl > 0 and other ~= id then call('SET', unique, id, 'PX', ttl) end
  local holds = unique ~= '' and ttl == 0
  local entry
  call('ZREM', ARGV[3], id)
  local waits = call('ZREM', ARGV[6] .. r.queue, id) == 1
  if waits and r.message == message then entry = r.entry
  else
    -- What still stands there tells of a later attempt.
    if waits then dropEntry(ARGV[2], r.stream, r.entry) end
    entry = call('XADD', r.stream, '*', 'message', message)
  end
  unflag(flag)
  call('ZREM', ARGV[4] .. r.queue, id)
  call('ZREM', ARGV[5] .. r.queue, id)
  -- As new, a task that keeps no record has none, but for the errors of its attempts.
  if (tonumber(r.retention) or 0) == 0 and not r['${ERROR_FIELD}1'] and not holds then
    call('DEL', key)
    return state, 1, ''
  end
  for _, name in ipairs({ 'message', 'attempt', 'progress', 'progress_msg', 'crashes', 'finished_at', 'reason', 'error',
    'started_at', 'executor', 'due_at', 'result', 'result_omitted' }) do r[name] = nil end
  r.state, r.entry = '${revive.to}', entry
  if holds then r.unique = unique end
  writeRecord(key, r)
  return state, 1, ''
end
local out = {}
for i = 7, #ARGV, 5 do
  local state, retried, holder = retry(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]))
  out[#out + 1] = state
  out[#out + 1] = retried
  out[#out + 1] = holder
end
return out`;

export const RETRY_SCRIPT = script(RETRY, 0);

/**
 * KEYS index, waiting marks, marks; ARGV record prefix, log prefix, state, group, then id and flag key in turn -> how
 * many records of that state were removed. With one that was cancelled while it waited go its entry, its marks and its
 * flag: a new task of that id must not meet them.
 */
const REMOVE = `${RECORDS}${DROP_ENTRY}
expect('zset', KEYS[1], KEYS[2], KEYS[3])
local n = 0
for i = 5, #ARGV, 2 do
  local r = readRecord(ARGV[1] .. ARGV[i])
  if not r or r.state == ARGV[3] then
    free(r and r.queue and timedKey(r.unique_for_a_time, r.queue, r.message), ARGV[i])
    if call('ZREM', KEYS[2], ARGV[i]) == 1 then
      if r and r.stream and r.entry ~= '' then dropEntry(ARGV[4], r.stream, r.entry) end
      call('ZREM', KEYS[3], ARGV[i])
      unflag(ARGV[i + 1])
    end
    call('DEL', ARGV[1] .. ARGV[i], ARGV[2] .. ARGV[i])
    n = n + call('ZREM', KEYS[1], ARGV[i])
  end
end
return n`;

export const REMOVE_SCRIPT = script(REMOVE, 3);
