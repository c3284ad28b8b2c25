/**
 * Queues those again that were cancelled while they waited in a stream and stand there still, as it finds them in their
 * index, many in one script. Whatever else stands in the index stays, for retry.ts.
 */
import type { Redis } from "ioredis";
import { CANCELLED_KEY, cancelledKey, RECORD_PREFIX, waitingCancelledKey } from "../keys.ts";
import { FIELD_LETTERS, LONGEST_COPY, packedStart } from "../records/codec.ts";
import { RECORDS } from "../records/record-lua.ts";
import { SPLICE } from "../records/splice-lua.ts";
import { runScript, script } from "./lua.ts";
import { IS_OF_FIRST } from "./retry.ts";
import { CHUNKS } from "./scan.ts";
import { FLAG_OF } from "./unflag.ts";

/** How many tasks one script looks at, which takes about 2 ms. */
const STEP = 100;

/**
 * KEYS index of cancelled tasks, marks of those that wait, marks of all; ARGV record prefix, queue, type ("": any), the
 * place to begin at, before when they were cancelled (0: now) -> the place to go on at ("" at the end), the ids of
 * those that were queued, before when.
 */
const REQUEUE_CANCELLED = script(
  `${RECORDS}${SPLICE}${CHUNKS}${FLAG_OF}${IS_OF_FIRST}
local queue, wanted, place, before = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
expect('zset', KEYS[1], KEYS[2], KEYS[3])
if before == 0 then
  local t = redis.call('TIME')
  before = t[1] * 1000 + math.floor(t[2] / 1000)
end
local isEnd, reason, taken = false, nil, {}
local function requeue(key, text, stands)
  if not text or not stands or not isOfFirst(text) then return false end
  local facts, at, short, ended = usual('cancelled', key, text)
  if not facts or facts.queue ~= queue or (wanted ~= '' and facts.type ~= wanted) then return false end
  if (tonumber(facts.retention) or 0) == 0 or tonumber(ended) >= before then return false end
  if NAMES[byte(text, at)] ~= 'payload' or #text - at > ${LONGEST_COPY / 2} then return false end
  putText(key, '${packedStart("queued")}' .. packed('${FIELD_LETTERS.entry}', short) .. facts.kept .. sub(text, at))
  return true
end
local function step(ids)
  local keys = {}
  for i, id in ipairs(ids) do keys[i] = ARGV[1] .. id end
  local texts, marks = call('MGET', unpack(keys)), call('ZMSCORE', KEYS[2], unpack(ids))
  local some, flags = {}, {}
  for i, id in ipairs(ids) do
    looked, bytes = looked + 1, bytes + (texts[i] and #texts[i] or 0)
    if requeue(keys[i], texts[i], marks[i]) then
      some[#some + 1] = id
      flags[#flags + 1] = flagOf(id)
    end
  end
  if #some == 0 then return end
  writePuts()
  for i = 1, 3 do call('ZREM', KEYS[i], unpack(some)) end
  -- What stands there and is no string is no flag.
  local there = {}
  for i, held in ipairs(call('MGET', unpack(flags))) do if held then there[#there + 1] = flags[i] end end
  if #there > 0 then call('DEL', unpack(there)) end
  for _, id in ipairs(some) do taken[#taken + 1] = id end
end
repeat
  local most = math.min(size, ${STEP} - looked)
  local ids = call('ZRANGE', KEYS[1], place, place + most - 1)
  local had = #taken
  if #ids > 0 then step(ids) end
  place = place + #ids - (#taken - had)
  isEnd = #ids < most
until isEnd or isOver(${STEP})
return { isEnd and '' or place, taken, string.format('%.0f', before) }`,
  3,
);

export interface RequeuedStep {
  /** Where to go on; null at the end. */
  readonly next: number | null;
  readonly queued: readonly string[];
  /** Before when those were cancelled that are meant, Unix ms. */
  readonly before: number;
}

/** One step. @param type - "": any. @param before - 0: before now. */
export async function requeueCancelled(
  redis: Redis,
  { queue, type }: { readonly queue: string; readonly type: string },
  from: number,
  before: number,
): Promise<RequeuedStep> {
  const keys = [cancelledKey(queue), waitingCancelledKey(queue), CANCELLED_KEY];
  const reply = await runScript(redis, REQUEUE_CANCELLED, ...keys, RECORD_PREFIX, queue, type, from, before);
  const [next, queued, until]: unknown[] = Array.isArray(reply) ? reply : [];
  return {
    next: next === "" || next === undefined ? null : Number(next),
    queued: Array.isArray(queued) ? queued.map(String) : [],
    before: Number(until ?? 0),
  };
}
