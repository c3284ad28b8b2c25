/** Queues what is due of one queue, in one script. */
import type { Redis } from "ioredis";
import { MOVES } from "../../../task/state.ts";
import type { RefusedTask } from "../../broker.ts";
import { readRefused } from "../connection/replies.ts";
import { RECORD_PREFIX, scheduledKey } from "../keys.ts";
import { FIELD_LETTERS, packedStart } from "../records/codec.ts";
import { RECORDS } from "../records/record-lua.ts";
import { SPLICE } from "../records/splice-lua.ts";
import { runScript, script } from "./lua.ts";
import { isOneOf } from "./whereabouts.ts";

const { promote } = MOVES;

/**
 * KEYS scheduled; ARGV record prefix, max -> promoted, ms until the next is due (-1: nothing waits), then of each that
 * could not be queued its id and why: it is looked at again in a minute, and holds up nobody.
 */
const PROMOTE = script(
  `${RECORDS}${SPLICE}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function untilFirst()
  local first = call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  if #first == 0 then return -1 end
  return math.max(0, math.floor(tonumber(first[2])) - now)
end
-- Most often nothing is due, and this is all that is read.
local wait = untilFirst()
if wait ~= 0 then return { 0, wait } end
-- All that is due in this millisecond: behind the point stands only its place in line.
local due = call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now + 1), 'LIMIT', 0, ARGV[2])
-- One that was scheduled by its enqueue and keeps a record, as most are; nil for any other.
local function promoteUsual(id, key, text)
  local facts, at, since = usual('scheduled', key, text)
  if not facts or not facts.retention or facts.retention == '0' then return nil end
  mayRun('MSET', key)
  local message = usualMessage(facts, id, text, at)
  local entry = call('XADD', facts.stream, '*', 'message', message)
  local start = '${packedStart("queued")}' .. packed('${FIELD_LETTERS.entry}', packEntry(entry))
  if timeOf(entry) ~= since then start = start .. packed('${FIELD_LETTERS.enqueued_at}', since) end
  putText(key, start .. facts.kept .. copyOf(message, text, at))
  return 1
end
local function promote(id)
  local key = ARGV[1] .. id
  local text = readText(key)
  if type(text) == 'string' and promoteUsual(id, key, text) then return 1 end
  local r = loadRecord(key, text)
  if not (r and r.stream and r.message and ${isOneOf("r.state", promote.from)}) then return 0 end
  mayRun('MSET', key)
  mayRun('DEL', key)
  local entry = call('XADD', r.stream, '*', 'message', r.message)
  if r.retention == '0' and r.state == 'scheduled' and not r.unique then
    call('DEL', key)
  else
    r.state, r.entry, r.due_at = '${promote.to}', entry, nil
    putRecord(key, r)
  end
  return 1
end
local out, gone = { 0, -1 }, {}
if #due > 0 then mayRun('ZREM', KEYS[1]) end
for _, id in ipairs(due) do
  local ok, n = pcall(promote, id)
  if ok then
    out[1] = out[1] + n
    gone[#gone + 1] = id
  else
    out[#out + 1] = id
    out[#out + 1] = oneOnly(n)
    call('ZADD', KEYS[1], string.format('%.0f', now + 60000), id)
  end
end
writePuts()
if #gone > 0 then call('ZREM', KEYS[1], unpack(gone)) end
out[2] = untilFirst()
return out`,
  1,
);

export interface Promoted {
  readonly promoted: number;
  /** In how many ms the next one is due; null: nothing waits. */
  readonly nextInMs: number | null;
  readonly refused: readonly RefusedTask[];
}

export async function promoteDue(redis: Redis, queue: string, max: number): Promise<Promoted> {
  const reply = await runScript(redis, PROMOTE, scheduledKey(queue), RECORD_PREFIX, max);
  const [count, next, ...rest]: unknown[] = Array.isArray(reply) ? reply : [];
  const nextInMs = Number(next ?? -1);
  return { promoted: Number(count ?? 0), nextInMs: nextInMs < 0 ? null : nextInMs, refused: readRefused(rest) };
}
