/**
 * What is over goes: records whose time has come, and those past the number that a queue may keep. Redis takes them out
 * in steps that hold it for some milliseconds, one executor at a time, one step after the other while there is more: so
 * that they go as fast as they come. Who removes stands in a key that ends by itself, since a step is whole in itself.
 */
import type { Removal } from "../../broker.ts";
import type { KeepingRules } from "../../removal.ts";
import type { RedisConnections } from "../connection/connections.ts";
import {
  cancelledKey,
  deadKey,
  doneKey,
  LOG_PREFIX,
  RECORD_PREFIX,
  REMOVING_KEY,
  waitingCancelledKey,
} from "../keys.ts";
import { runScript, script } from "../scripts/lua.ts";
import { RECORDS } from "./record-lua.ts";

/** How many one step looks at, at the most: about 2 ms. */
const STEP = 600;
/** For how long Redis goes on in one step before it serves others, in us; from 7.2 on a script's time stands still. */
const STEP_US = 2_000;
/** How many are removed between two looks at that time. */
const CHUNK = 100;
/** How long nobody else removes while the remover is away, in ms. */
const LEFT_TO_IT_MS = 3_000;
/** How much later an ended record is looked at again whose entry still stands in a stream, in ms. */
const AGAIN_MS = 60_000;
/** Where there are too many, such ones go behind the rest until their marks are forgotten, in ms. */
const BEHIND_MS = 30 * 24 * 3_600_000;

/**
 * KEYS remover; ARGV its name, how long that stands in ms, record prefix, log prefix, then of each index 5: the index,
 * the marks of those whose entry still stands in a stream ("": none can), how long after its score one goes in ms, how
 * many may be there ("": any number), the state that a record must have to go ("": it is not asked) -> how many were
 * removed, and 1 where there is more.
 * A record whose entry still stands is kept for another minute: whoever claims that must know what it is.
 */
const REMOVE_ENDED = script(
  `${RECORDS}
local owner = call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return { 0, 0 } end
local looked, removed = 0, 0
local function micros()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local began = micros()
local now = math.floor(began / 1000)
-- Where nothing goes the time is not asked for again: then this is a few reads, most often for nothing.
local function isOver() return looked >= ${STEP} or (looked > 0 and micros() - began > ${STEP_US}) end
local function standing(marks, ids)
  if marks == '' or call('EXISTS', marks) == 0 then return {} end
  return call('ZMSCORE', marks, unpack(ids))
end
-- What a record tells of another state belongs to a task that came later; it only leaves this index.
local function isOf(state, id)
  if state == '' then return true end
  local ok, there = pcall(stateOf, ARGV[3] .. id)
  return ok and (there == nil or there == state)
end
local function remove(index, marks, ids, again, state)
  local keys, going, later = {}, {}, {}
  local stands = standing(marks, ids)
  for i, id in ipairs(ids) do
    if stands[i] then
      later[#later + 1] = string.format('%.0f', now + again)
      later[#later + 1] = id
    else
      if isOf(state, id) then
        keys[#keys + 1] = ARGV[3] .. id
        keys[#keys + 1] = ARGV[4] .. id
      end
      going[#going + 1] = id
    end
  end
  if #going > 0 then
    if #keys > 0 then redis.call('UNLINK', unpack(keys)) end
    removed = removed + call('ZREM', index, unpack(going))
  end
  if #later > 0 then call('ZADD', index, unpack(later)) end
  looked = looked + #ids
end
for i = 5, #ARGV, 5 do
  local index, marks, latest, keep = ARGV[i], ARGV[i + 1], now - tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  repeat
    local count, ids, again = call('ZCARD', index), {}, ${AGAIN_MS}
    if count > 0 then
      ids = call('ZRANGEBYSCORE', index, '-inf', string.format('%.0f', latest), 'LIMIT', 0, ${CHUNK})
    end
    if #ids == 0 and keep and count > keep then
      -- Those that must stay are not looked at for ever, though they are more than the number.
      local surplus = math.min(count - keep, marks == '' and count or count - call('ZCARD', marks))
      if surplus > 0 then ids = call('ZRANGE', index, 0, math.min(surplus, ${CHUNK}) - 1) end
      again = ${BEHIND_MS}
    end
    if #ids > 0 then remove(index, marks, ids, again, ARGV[i + 4]) end
  until #ids == 0 or isOver()
  if isOver() then
    call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return { removed, 1 }
  end
end
if owner then call('DEL', KEYS[1]) end
return { removed, 0 }`,
  1,
);

export class RedisRemoval {
  readonly #connections: RedisConnections;
  readonly #remover: string;
  readonly #rules: KeepingRules;

  constructor(connections: RedisConnections, remover: string, rules: KeepingRules) {
    this.#connections = connections;
    this.#remover = remover;
    this.#rules = rules;
  }

  /** One step. There is no more where another executor removes just now. @param rules - default: those of ours. */
  async step(queues: readonly string[], rules: KeepingRules = this.#rules): Promise<Removal> {
    const { doneLimit, cancelledLimit, deadLimit, deadRetentionMs } = rules;
    const indexes = queues.flatMap((queue) => [
      ...[doneKey(queue), "", 0, doneLimit || "", ""],
      ...[cancelledKey(queue), waitingCancelledKey(queue), 0, cancelledLimit || "", "cancelled"],
      ...[deadKey(queue), "", deadRetentionMs, deadLimit || "", "dead"],
    ]);
    const reply = await this.#connections.run((redis) =>
      runScript(
        redis,
        REMOVE_ENDED,
        ...[REMOVING_KEY, this.#remover, LEFT_TO_IT_MS, RECORD_PREFIX, LOG_PREFIX],
        ...indexes,
      ),
    );
    const [removed, more] = Array.isArray(reply) ? reply : [];
    return { removed: Number(removed), more: more === 1 };
  }
}
