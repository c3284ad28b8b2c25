/** Queues dead and cancelled tasks again from their first attempt, many in one script. */
import type { Redis } from "ioredis";
import { ENDED_STATES, MOVES, TASK_STATES } from "../../../task/state.ts";
import type { RetryReceipt } from "../../contract/admin.ts";
import type { FirstAttempt } from "../../first-attempt.ts";
import {
  CANCELLED_KEY,
  cancelFlagKey,
  cancelledKey,
  deadKey,
  ERROR_FIELD,
  GROUP,
  RECORD_PREFIX,
  uniqueKey,
  waitingCancelledKey,
} from "../keys.ts";
import { DROP_ENTRY } from "./drop-entry.ts";
import { runScript, script } from "./lua.ts";
import { isOneOf, WHEREABOUTS } from "./whereabouts.ts";

const { revive } = MOVES;

/**
 * ARGV record prefix, group, marks key, dead index less the queue, cancelled index less the queue, waiting marks less
 * the queue, then 5 of each task: id, flag key, the message of the first attempt, unique key ("": none), how long that
 * is held (0: until the task has ended) -> 3 of each: the state it was in ("": none is kept), 1 when it is queued
 * again, and who holds its key where another does, else "".
 */
const RETRY = script(
  `${WHEREABOUTS}${DROP_ENTRY}
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
  for _, name in ipairs({ 'attempt', 'progress', 'progress_msg', 'crashes', 'finished_at', 'reason', 'error',
    'started_at', 'executor', 'due_at', 'result', 'result_omitted' }) do r[name] = nil end
  r.state, r.entry, r.message = '${revive.to}', entry, message
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
return out`,
  0,
);

/** A task as it is to be queued again. */
export interface Retry extends FirstAttempt {
  readonly id: string;
  readonly queue: string;
}

/** @returns what became of each, in order. */
export async function retryTasks(redis: Redis, tasks: readonly Retry[]): Promise<RetryReceipt[]> {
  const words = tasks.flatMap(({ id, message, unique, queue }) => [
    ...[id, cancelFlagKey(id), message],
    ...[unique === undefined ? "" : uniqueKey(queue, unique.key), Math.round(unique?.ttlMs ?? 0)],
  ]);
  const keys = [CANCELLED_KEY, deadKey(""), cancelledKey(""), waitingCancelledKey("")];
  const reply = await runScript(redis, RETRY, RECORD_PREFIX, GROUP, ...keys, ...words);
  const told: unknown[] = Array.isArray(reply) ? reply : [];
  return tasks.map(({ id }, index) => {
    const [was, retried, heldBy] = told.slice(3 * index);
    const receipt = { id, state: TASK_STATES.find((name) => name === was) ?? null, retried: retried === 1 };
    return typeof heldBy === "string" && heldBy !== "" ? { ...receipt, heldBy } : receipt;
  });
}
