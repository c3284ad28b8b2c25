/**
 * The end of an attempt that has something to write: the writes and the acknowledgement are one. The types of the keys
 * and the rights are looked at first and the entry leaves its stream last: nothing stands of what was refused in part.
 * One script for many outcomes of a stream; what Redis refuses of one of them leaves the others alone.
 */
import { MOVES } from "../../../task/state.ts";
import type { RedisCommand } from "../claims/outcome-commands.ts";
import { GROUP, LEFT_ENTRIES_KEY, recordKey } from "../keys.ts";
import { FOLLOW } from "./follow.ts";
import { script } from "./lua.ts";
import { isOneOf, WHEREABOUTS } from "./whereabouts.ts";

/**
 * KEYS stream; ARGV consumer, "1" in doubt, then of each outcome: entry, "1" where it must be ours, record key, the
 * number of steps, and of each step the number of its words and those -> of each outcome 1 when it was recorded, 0 when
 * it was not ours, or why it was refused. Steps change the record (KEEP: fields and values; FIRST: one that is only
 * written where there is none; DROP: fields; COUNT: one completion more; RAW: its message is the entry's own bytes), or
 * they are commands on another key, and some more: FREE, which deletes a key that has this value; UNFLAG, which deletes
 * a string; FOLLOW, as follow.ts has it, behind all that changes the record; GONE, which deletes the record and its log
 * in place of writing it. What is written is checked before.
 */
function endLua(follow: string): string {
  return `${WHEREABOUTS}${follow}
local stream, consumer, isDoubtful = KEYS[1], ARGV[1], ARGV[2] == '1'
local TYPES = { ZADD = 'zset', ZREM = 'zset', SADD = 'set', FREE = 'string' }
local COMMANDS = { FREE = 'DEL', UNFLAG = 'DEL', GONE = 'DEL' }
local CHANGES = {
  KEEP = function(r, step)
    for i = 2, #step, 2 do r[step[i]] = step[i + 1] end
  end,
  FIRST = function(r, step) r[step[2]] = r[step[2]] or step[3] end,
  DROP = function(r, step)
    for i = 2, #step do r[step[i]] = nil end
  end,
  COUNT = function(r) r.completions = (tonumber(r.completions) or 0) + 1 end,
  RAW = function(r, step, entry) r.message = entryMessage(stream, entry) or r.message end,
}
local function isOurs(entry, record)
  local is = isOwn(stream, consumer, entry, isDoubtful)
  if is ~= nil then return is end
  -- The entry was deleted by hand, where its record says that it still stands there.
  local r = headOf(record)
  return r and ${isOneOf("r.state", MOVES.claim.from)} and r.entry == entry
end
local function take(step)
  local name, key = step[1], step[2]
  if name == 'FREE' then free(key, step[3])
  elseif name == 'UNFLAG' then if redis.call('TYPE', key).ok == 'string' then call('DEL', key) end
  else call(unpack(step)) end
end
local function finish(entry, fenced, record, steps)
  if fenced and not isOurs(entry, record) then return 0 end
  local r
  for _, step in ipairs(steps) do
    if CHANGES[step[1]] then r = r or readRecord(record) or {}
    elseif step[1] == 'FOLLOW' then
      mayFollow(step)
    else
      if TYPES[step[1]] then expect(TYPES[step[1]], step[2]) end
      mayRun(COMMANDS[step[1]] or step[1], step[2])
    end
  end
  if r then mayRun('SET', record) end
  mayRun('XACK', stream)
  mayRun('XDEL', stream)
  mayRun('HSET', '${LEFT_ENTRIES_KEY}')
  for _, step in ipairs(steps) do
    local change = CHANGES[step[1]]
    if change then change(r, step, entry)
    elseif step[1] == 'FOLLOW' then follow(step, r)
    elseif step[1] == 'GONE' then
      r = nil
      call('DEL', step[2], step[3])
    else take(step) end
  end
  if r then writeRecord(record, r) end
  call('XACK', stream, '${GROUP}', entry)
  takeOut(stream, entry)
  return 1
end
local out, i = {}, 3
while i <= #ARGV do
  local entry, fenced, record, count = ARGV[i], ARGV[i + 1] == '1', ARGV[i + 2], tonumber(ARGV[i + 3])
  local steps = {}
  i = i + 4
  for n = 1, count do
    local words = tonumber(ARGV[i])
    steps[n] = { unpack(ARGV, i + 1, i + words) }
    i = i + words + 1
  end
  local ok, result = pcall(function()
    expect('stream', stream)
    expect('hash', '${LEFT_ENTRIES_KEY}')
    return finish(entry, fenced, record, steps)
  end)
  if not ok then
    -- What holds for the server as a whole is not a matter of this outcome.
    result = oneOnly(result)
  end
  out[#out + 1] = result
end
pcall(settle, stream)
return out`;
}

export const END_SCRIPT = script(endLua(""), 1);
/** The same, where a step is FOLLOW. */
export const END_FOLLOWED_SCRIPT = script(endLua(FOLLOW), 1);

/** How many outcomes one call ends: more would hold Redis for long. */
export const END_CHUNK = 100;

/** One outcome, as the script takes it. */
export interface End {
  readonly entry: string;
  /** Whether Redis must ask first if the entry is still ours. */
  readonly fenced: boolean;
  readonly id: string;
  readonly steps: readonly RedisCommand[];
}

/** The script's keys and arguments for outcomes of one stream. */
export function endArguments(
  stream: string,
  executor: string,
  isDoubtful: boolean,
  ends: readonly End[],
): (string | number)[] {
  const args: (string | number)[] = [END_SCRIPT.keys, stream, executor, isDoubtful ? "1" : ""];
  for (const { entry, fenced, id, steps } of ends) {
    args.push(entry, fenced ? "1" : "", recordKey(id), steps.length);
    for (const step of steps) args.push(step.length, ...step);
  }
  return args;
}
