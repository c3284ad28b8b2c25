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
  LEFT_ENTRIES_KEY,
  RECORD_PREFIX,
  uniqueKey,
  VOID_ENTRIES_KEY,
  waitingCancelledKey,
} from "../keys.ts";
import { FIELD_LETTERS, LONGEST_COPY, packedStart } from "../records/codec.ts";
import { SPLICE } from "../records/splice-lua.ts";
import { runScript, script } from "./lua.ts";
import { UNFLAG } from "./unflag.ts";
import { isOneOf, WHEREABOUTS } from "./whereabouts.ts";

const { revive } = MOVES;

/** In place of a message: the task has it already. As text of a message it would mean the same. */
const AS_IT_IS = "=";
/** In place of a message: only a task of the usual kind is queued again, whose message is that of a first attempt. */
const IF_USUAL = "?";

/** `isOfFirst(text)`: see its comment; the text is that of a record. */
export const IS_OF_FIRST = `
-- Ours, with no options but a retention: there is nothing in it of an earlier attempt, and no unique key.
local function isOfFirst(text)
  if find(text, '\\\\u', 1, true) then return false end
  local options = find(text, '"taskexe"', 1, true)
  return not options or find(text, '^,"taskexe":{"retention_ms":%d+}$', options - 1) ~= nil
end
`;

/**
 * ARGV record prefix, marks key, dead index less the queue, cancelled index less the queue, waiting marks less
 * the queue, then 5 of each task: id, flag key, the message of the first attempt ("${AS_IT_IS}": the one it has;
 * "${IF_USUAL}": the same, only if it is a usual one),
 * unique key ("": none), how long that is held (0: until the task has ended) -> 3 of each: the state it was in ("":
 * none is kept), 1 when it is queued again, and who holds its key where another does, else "".
 */
const RETRY = script(
  `${WHEREABOUTS}${SPLICE}${UNFLAG}${IS_OF_FIRST}
expect('zset', ARGV[2], '${VOID_ENTRIES_KEY}')
expect('hash', '${LEFT_ENTRIES_KEY}')
local ARGV = ARGV
-- Streams and queues whose keys have been looked at, and which of a queue's tasks wait in a stream though they ended.
local checked, anyWaits = {}, {}
-- What leaves sorted sets leaves them together, by key.
local leaving = {}
local function leave(key, id)
  local ids = leaving[key] or {}
  leaving[key] = ids
  ids[#ids + 1] = id
end
local function check(stream, queue)
  if not checked[stream] then expect('stream', stream) end
  if not checked[queue] then expect('zset', ARGV[5] .. queue, ARGV[3] .. queue, ARGV[4] .. queue) end
  checked[stream], checked[queue] = true, true
end
local function isInLine(queue, id)
  local marks = ARGV[5] .. queue
  if anyWaits[marks] == nil then anyWaits[marks] = call('EXISTS', marks) == 1 end
  if not anyWaits[marks] or not call('ZSCORE', marks, id) then return false end
  leave(marks, id)
  return true
end
-- One that was cancelled while it waited in a stream, and stands there still; false for any other.
local function retryUsual(id, flag, key, text)
  local facts, at, short = usual('cancelled', key, text)
  if not facts or (tonumber(facts.retention) or 0) == 0 or #text - at > ${LONGEST_COPY / 2} then return false end
  if NAMES[byte(text, at)] ~= 'payload' then return false end
  check(facts.stream, facts.queue)
  if not isInLine(facts.queue, id) then return false end
  leave(ARGV[2], id)
  leave(ARGV[4] .. facts.queue, id)
  unflag(flag)
  putText(key, '${packedStart("queued")}' .. packed('${FIELD_LETTERS.entry}', short) .. facts.kept .. sub(text, at))
  return true
end
local function retry(id, flag, message, unique, ttl)
  local key = ARGV[1] .. id
  local text = readText(key)
  if message == '${IF_USUAL}' then
    if type(text) == 'string' and isOfFirst(text) and retryUsual(id, flag, key, text) then return 'cancelled', 1, '' end
    return '', 0, ''
  end
  if message == '${AS_IT_IS}' and unique == '' and type(text) == 'string' and retryUsual(id, flag, key, text) then
    return 'cancelled', 1, ''
  end
  local r = loadRecord(key, text)
  if not r then return '', 0, '' end
  local state = r.state
  if isWaiting(state) then return state, requeue(key, id) and 1 or 0, '' end
  if message == '${AS_IT_IS}' then message = r.message or '' end
  if not ${isOneOf("state", revive.from)} or message == '' then return state, 0, '' end
  check(r.stream, r.queue)
  local other = unique ~= '' and call('GET', unique)
  if other and other ~= id then
    local held = stateOf(ARGV[1] .. other)
    if (held and not ${isOneOf("held", ENDED_STATES)}) or call('PTTL', unique) >= 0 then return state, 0, other end
  end
  if unique ~= '' and ttl == 0 then call('SET', unique, id) end
  if unique ~= '' and ttl > 0 and other ~= id then call('SET', unique, id, 'PX', ttl) end
  local holds = unique ~= '' and ttl == 0
  local entry
  leave(ARGV[2], id)
  local waits = isInLine(r.queue, id)
  if waits and r.message == message then entry = r.entry
  else
    -- What still stands there tells of a later attempt.
    if waits then makeVoid(r.stream, r.entry) end
    entry = call('XADD', r.stream, '*', 'message', message)
  end
  unflag(flag)
  leave(ARGV[3] .. r.queue, id)
  leave(ARGV[4] .. r.queue, id)
  -- As new, a task that keeps no record has none, but for the errors of its attempts.
  if (tonumber(r.retention) or 0) == 0 and not r['${ERROR_FIELD}1'] and not holds then
    call('DEL', key)
    return state, 1, ''
  end
  for _, name in ipairs({ 'attempt', 'progress', 'progress_msg', 'crashes', 'finished_at', 'reason', 'error',
    'started_at', 'executor', 'due_at', 'result', 'result_omitted' }) do r[name] = nil end
  r.state, r.entry, r.message = '${revive.to}', entry, message
  if holds then r.unique = unique end
  putRecord(key, r)
  return state, 1, ''
end
local out, reason = {}, nil
for i = 6, #ARGV, 5 do
  local ok, state, retried, holder =
    pcall(retry, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4]))
  if not ok then
    reason = type(state) == 'table' and state or { err = tostring(state) }
    break
  end
  out[#out + 1] = state
  out[#out + 1] = retried
  out[#out + 1] = holder
end
writePuts()
for key, ids in pairs(leaving) do call('ZREM', key, unpack(ids)) end
-- Those before it are queued.
if reason then error(reason) end
return out`,
  0,
);

/** A task as it is to be queued again. */
export interface Retry extends FirstAttempt {
  readonly id: string;
  readonly queue: string;
  /** Whether the message is the one that its record has. */
  readonly isAsItIs: boolean;
}

/** Queues those of the usual kind again. @returns of each whether it was one, in order. */
export async function retryUsual(redis: Redis, ids: readonly string[]): Promise<boolean[]> {
  const unread = { queue: "", message: IF_USUAL, unique: undefined, isAsItIs: false };
  const receipts = await retryTasks(
    redis,
    ids.map((id) => ({ id, ...unread })),
  );
  return receipts.map(({ retried }) => retried);
}

/** @returns what became of each, in order. */
export async function retryTasks(redis: Redis, tasks: readonly Retry[]): Promise<RetryReceipt[]> {
  const words = tasks.flatMap(({ id, message, unique, queue, isAsItIs }) => [
    ...[id, cancelFlagKey(id), isAsItIs ? AS_IT_IS : message],
    ...[unique === undefined ? "" : uniqueKey(queue, unique.key), Math.round(unique?.ttlMs ?? 0)],
  ]);
  const keys = [CANCELLED_KEY, deadKey(""), cancelledKey(""), waitingCancelledKey("")];
  const reply = await runScript(redis, RETRY, RECORD_PREFIX, ...keys, ...words);
  const told: unknown[] = Array.isArray(reply) ? reply : [];
  return tasks.map(({ id }, index) => {
    const [was, retried, heldBy] = told.slice(3 * index);
    const receipt = { id, state: TASK_STATES.find((name) => name === was) ?? null, retried: retried === 1 };
    return typeof heldBy === "string" && heldBy !== "" ? { ...receipt, heldBy } : receipt;
  });
}
