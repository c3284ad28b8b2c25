/** Queues parked tasks of a type again that is not paused any more, a bounded number in one script. */
import type { Redis } from "ioredis";
import { MOVES } from "../../../task/state.ts";
import type { RefusedTask } from "../../broker.ts";
import { readRefused } from "../connection/replies.ts";
import { ERROR_FIELD, PARKED_PREFIX, PARKED_TYPES_KEY, PAUSED_KEY, RECORD_PREFIX } from "../keys.ts";
import { RECORDS } from "../records/record-lua.ts";
import { runScript, script } from "./lua.ts";
import { isOneOf } from "./whereabouts.ts";

const { claim } = MOVES;

/**
 * KEYS parked, paused, parked types; ARGV record prefix, type, max, its name -> how many were taken from there, then of
 * each that could not be queued its id and why: it stays there, behind all others.
 */
const UNPARK = script(
  `${RECORDS}
if call('SISMEMBER', KEYS[2], 'type:' .. ARGV[2]) == 1 then return { 0 } end
expect('set', KEYS[3])
local ids = call('ZRANGE', KEYS[1], 0, tonumber(ARGV[3]) - 1)
local function unpark(id)
  local key = ARGV[1] .. id
  local r = readRecord(key)
  if not (r and r.stream and r.message and ${isOneOf("r.state", claim.from)}) then return end
  mayRun('SET', key)
  mayRun('DEL', key)
  local entry = call('XADD', r.stream, '*', 'message', r.message)
  if r.retention == '0' and not r.unique and not r['${ERROR_FIELD}1'] then call('DEL', key)
  else
    r.entry = entry
    writeRecord(key, r)
  end
end
local out = { 0 }
if #ids > 0 then mayRun('ZREM', KEYS[1]) end
for _, id in ipairs(ids) do
  local ok, reason = pcall(unpark, id)
  if ok then
    call('ZREM', KEYS[1], id)
    out[1] = out[1] + 1
  else
    out[#out + 1] = id
    out[#out + 1] = oneOnly(reason)
    call('ZADD', KEYS[1], '9e15', id)
  end
end
if call('ZCARD', KEYS[1]) == 0 then call('SREM', KEYS[3], ARGV[4]) end
return out`,
  3,
);

/** @param name - queue and type, as parkedName puts them together. */
export async function unparkTasks(
  redis: Redis,
  name: string,
  max: number,
): Promise<{ readonly moved: number; readonly refused: readonly RefusedTask[] }> {
  const type = name.slice(name.indexOf(":") + 1);
  const keys = [PARKED_PREFIX + name, PAUSED_KEY, PARKED_TYPES_KEY];
  const reply = await runScript(redis, UNPARK, ...keys, RECORD_PREFIX, type, max, name);
  const [moved, ...rest]: unknown[] = Array.isArray(reply) ? reply : [];
  return { moved: Number(moved), refused: readRefused(rest) };
}
