/** The end of a queue that nobody uses any more, in one step: an enqueue or a claim comes before it or after it. */
import { MAX_PRIORITIES } from "../../../task/options/enqueue-options.ts";
import type { RedisConnections } from "../connection/connections.ts";
import {
  cancelledKey,
  deadKey,
  doneKey,
  FOREIGN_QUEUES_KEY,
  GROUP,
  logOrderKey,
  logSizesKey,
  PARKED_TYPES_KEY,
  PAUSED_KEY,
  QUEUE_RULES_KEY,
  QUEUES_KEY,
  scheduledKey,
  waitingCancelledKey,
} from "../keys.ts";
import { runScript, script } from "./lua.ts";

/** Of each queue: what it must not have, to be given up. */
const INDEXES = [scheduledKey, doneKey, deadKey, cancelledKey, waitingCancelledKey];

/**
 * KEYS queues, foreign queues, rules, paused, parked types, log sizes and their order, then the indexes of the queue;
 * ARGV its name, how long it must not have been used in ms, "1" to remove it -> 1 where nothing is in it and nobody has
 * used it, else 0. Then it is gone, if that was asked for. Streams that others have made stay, and so does the queue as
 * long as they stand.
 */
const GIVE_UP = script(
  `
local name = ARGV[1]
local t = redis.call('TIME')
local latest = t[1] * 1000 + math.floor(t[2] / 1000) - tonumber(ARGV[2])
local usedAt = call('ZSCORE', KEYS[1], name)
if not usedAt or tonumber(usedAt) > latest then return 0 end
if call('SISMEMBER', KEYS[4], 'queue:' .. name) == 1 then return 0 end
for i = 8, #KEYS do
  if call('EXISTS', KEYS[i]) == 1 then return 0 end
end
for _, parked in ipairs(call('SMEMBERS', KEYS[5])) do
  if string.sub(parked, 1, #name + 1) == name .. ':' then return 0 end
end
local function fields(list)
  local by = {}
  for i = 1, #list, 2 do by[list[i]] = list[i + 1] end
  return by
end
local function isUnused(stream)
  local info = fields(call('XINFO', 'STREAM', stream))
  local lastMs = string.match(info['last-generated-id'], '^(%d+)-')
  if info['length'] > 0 or tonumber(lastMs) > latest then return false end
  for _, group in ipairs(call('XINFO', 'GROUPS', stream)) do
    local is = fields(group)
    -- A consumer is an executor that reads, or has lately: those that are gone were removed before.
    if is['name'] ~= '${GROUP}' or is['consumers'] > 0 or is['pending'] > 0 then return false end
  end
  return true
end
local isForeign = call('SISMEMBER', KEYS[2], name) == 1
local streams = {}
for priority = 0, ${MAX_PRIORITIES - 1} do
  local stream = 'te.' .. priority .. '.' .. name
  local kind = redis.call('TYPE', stream).ok
  if kind ~= 'none' then
    if isForeign or kind ~= 'stream' or not isUnused(stream) then return 0 end
    streams[#streams + 1] = stream
  end
end
if ARGV[3] == '1' then
  expect('hash', KEYS[3])
  if #streams > 0 then redis.call('UNLINK', unpack(streams)) end
  -- Its logs went with its records: this is what was counted of them.
  redis.call('UNLINK', KEYS[6], KEYS[7])
  call('HDEL', KEYS[3], name)
  call('SREM', KEYS[2], name)
  call('ZREM', KEYS[1], name)
end
return 1`,
  7 + INDEXES.length,
);

/** What is to be known, or done. */
export interface GiveUp {
  /** For how long nobody must have used it, in ms. */
  readonly unusedMs: number;
  /** False: it is only looked at. */
  readonly remove: boolean;
}

/** Whether a queue holds nothing and nobody has used it for so long; it is gone then, if that is asked for. */
export async function giveUpQueue(
  connections: RedisConnections,
  name: string,
  { unusedMs, remove }: GiveUp,
): Promise<boolean> {
  const keys = [QUEUES_KEY, FOREIGN_QUEUES_KEY, QUEUE_RULES_KEY, PAUSED_KEY, PARKED_TYPES_KEY];
  const logs = [logSizesKey(name), logOrderKey(name)];
  const indexes = INDEXES.map((keyOf) => keyOf(name));
  const reply = await connections.run((redis) =>
    runScript(redis, GIVE_UP, ...keys, ...logs, ...indexes, name, unusedMs, remove ? "1" : ""),
  );
  return reply === 1;
}
