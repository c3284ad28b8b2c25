/** Changes schedules and enqueues what is due, many in one script. */
import type { Redis } from "ioredis";
import {
  RECORD_PREFIX,
  SCHEDULE_STATES_KEY,
  SCHEDULE_TIMES_KEY,
  SCHEDULES_DUE_KEY,
  SCHEDULES_KEY,
  SCHEDULES_PUT_KEY,
  SCHEDULES_PUTS_KEY,
} from "../keys.ts";
import { ENQUEUE_ONE, TASK_ARGUMENTS } from "./enqueue-one.ts";
import { runScript, script } from "./lua.ts";

/** How many arguments a change has: nine, and those of a task. */
const CHANGE_ARGUMENTS = 9 + TASK_ARGUMENTS;

/**
 * KEYS schedules, states, times, due, put, puts; ARGV record prefix, then of each change: name, "one" or "none", the
 * state that was read, the definition ("": as it is), the state, the state where nothing could be enqueued, when to
 * look at it after each of them ("": never), 1 where a task is to be enqueued, then the arguments of that -> of each 1
 * when it was changed, then what an enqueue answers; -1 for one of several that failed.
 */
const CHANGE_SCHEDULES = script(
  `${ENQUEUE_ONE}
-- Looked at before anything is written.
expect('zset', KEYS[3], KEYS[4], KEYS[5])
expect('string', KEYS[6])
local function change(i)
  local name = ARGV[i]
  local there = call('HEXISTS', KEYS[1], name) == 1
  if there ~= (ARGV[i + 1] == 'one') then return { 0 } end
  if (call('HGET', KEYS[2], name) or '') ~= ARGV[i + 2] then return { 0 } end
  local created, state, id, after, look = 0, '', '', ARGV[i + 4], ARGV[i + 6]
  if ARGV[i + 8] == '1' then
    created, state, id = enqueue(ARGV[1], read(i + 9), 0)
    if created == 0 then after, look = ARGV[i + 5], ARGV[i + 7] end
  end
  if ARGV[i + 3] ~= '' then
    call('HSET', KEYS[1], name, ARGV[i + 3])
    call('ZADD', KEYS[5], call('INCR', KEYS[6]), name)
  end
  if look == '' then call('ZREM', KEYS[4], name) else call('ZADD', KEYS[4], look, name) end
  call('HSET', KEYS[2], name, after)
  call('ZREM', KEYS[3], name)
  return { 1, created, state, id }
end
if #ARGV == ${CHANGE_ARGUMENTS + 1} then return { change(2) } end
local out = {}
for i = 2, #ARGV, ${CHANGE_ARGUMENTS} do
  local ok, reply = pcall(change, i)
  out[#out + 1] = ok and reply or { -1 }
end
return out`,
  6,
);

/** The arguments of one change, as the script reads them. */
export type ChangeArguments = readonly (string | number)[];

/** In place of the flag and the arguments of a task, where none is to be enqueued. */
export const NO_TASK: ChangeArguments = Array.from({ length: 1 + TASK_ARGUMENTS }, () => "");

/** @returns what the script answers of each. */
export async function changeSchedules(redis: Redis, changes: readonly ChangeArguments[]): Promise<readonly unknown[]> {
  const keys = [SCHEDULES_KEY, SCHEDULE_STATES_KEY, SCHEDULE_TIMES_KEY, SCHEDULES_DUE_KEY];
  const words = [...keys, SCHEDULES_PUT_KEY, SCHEDULES_PUTS_KEY, RECORD_PREFIX, ...changes.flat()];
  const reply = await runScript(redis, CHANGE_SCHEDULES, ...words);
  if (!Array.isArray(reply)) throw new TypeError("the script that changes schedules gave no list");
  return reply;
}
