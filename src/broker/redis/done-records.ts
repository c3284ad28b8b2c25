/**
 * The most common end of a task that keeps a record: done, with a result, and nothing else to tell. A batch of them
 * goes to Redis as one script a stream: three commands a task, each with a reply of its own, cost the executor as much
 * as everything else together (20 of 40 microseconds), and Redis half of its time. What is known of the end stands in
 * one field, `end`: with a field for each the hash would grow past the 16 that it has room for at first. It stands for
 * one completion, too: `completions` counts only what comes besides, which saves the script half of its calls.
 */
import { MOVES } from "../../task/state.ts";
import type { Outcome } from "../broker.ts";
import type { RedisDelivery } from "./delivery.ts";
import { doneKey, GROUP, RECORD_PREFIX } from "./keys.ts";
import { isOfAll, lackOf, plainScript, type ScriptCall } from "./lua.ts";
import { isFirst, keepUntil } from "./outcome-commands.ts";

/**
 * KEYS stream, index; ARGV group, record prefix, keep until, then 4 of each task: entry, id, end, result ("": none) ->
 * where each of those that were refused stands, from 1, and why. Nothing is acknowledged whose record was not written.
 */
const KEEP_DONE = `
for i, kind in ipairs({ 'stream', 'zset' }) do
  local held = redis.call('TYPE', KEYS[i]).ok
  if held ~= kind and held ~= 'none' then
    return redis.error_reply('WRONGTYPE the key "' .. KEYS[i] .. '" holds a ' .. held .. ', where a ' .. kind .. ' belongs')
  end
end
-- What comes behind the first write must not be refused: each try would count as a completion.
for _, may in ipairs({ { 'ZADD', KEYS[2] }, { 'XACK', KEYS[1] }, { 'XDEL', KEYS[1] } }) do
  if not redis.acl_check_cmd(may[1], may[2]) then return redis.error_reply(${lackOf("may[1]", "may[2]")}) end
end
local scored, entries, refused = {}, {}, {}
for i = 4, #ARGV, 4 do
  local id = ARGV[i + 1]
  local key = ARGV[2] .. id
  local new
  if ARGV[i + 3] == '' then
    new = redis.pcall('HSET', key, 'state', '${MOVES.complete.to}', 'end', ARGV[i + 2])
  else
    new = redis.pcall('HSET', key, 'state', '${MOVES.complete.to}', 'end', ARGV[i + 2], 'result', ARGV[i + 3])
    if type(new) == 'number' then new = new - 1 end
  end
  if new == 0 then new = redis.pcall('HINCRBY', key, 'completions', '1') end
  if type(new) == 'number' then
    entries[#entries + 1] = ARGV[i]
    scored[#scored + 1] = ARGV[3]
    scored[#scored + 1] = id
  else
    local code = string.match(new.err, '^%u+')
    if (code ~= 'WRONGTYPE' and code ~= 'ERR') or ${isOfAll("new.err")} then return new end
    refused[#refused + 1] = i / 4
    refused[#refused + 1] = code .. ' of the key "' .. key .. '": ' .. new.err
  end
end
if #entries > 0 then
  redis.call('ZADD', KEYS[2], unpack(scored))
  redis.call('XACK', KEYS[1], ARGV[1], unpack(entries))
  redis.call('XDEL', KEYS[1], unpack(entries))
end
return refused`;

const SCRIPT = plainScript(KEEP_DONE, 2);

export interface KeptDone {
  readonly outcome: Extract<Outcome, { kind: "done" }> & { readonly startedAt: number };
  readonly delivery: RedisDelivery;
}

/** Whether this end is of that kind: its record is there from the enqueue, and nothing but the end is to be written. */
export function isKeptDone<Entry extends { readonly outcome: Outcome; readonly delivery: RedisDelivery }>(
  entry: Entry,
): entry is Entry & KeptDone {
  const { outcome, delivery } = entry;
  return (
    outcome.kind === "done" &&
    outcome.retentionMs > 0 &&
    outcome.recorded &&
    outcome.told === null &&
    !outcome.resultOmitted &&
    outcome.uniqueKey === null &&
    outcome.startedAt !== null &&
    isFirst(delivery)
  );
}

/** Calls that keep them, one for each stream and each time until which records are kept, and whose ends each holds. */
export function keepDoneCalls<Entry extends KeptDone>(
  entries: readonly Entry[],
  { executor, now }: { readonly executor: string; readonly now: number },
): { readonly call: ScriptCall; readonly entries: readonly Entry[] }[] {
  const calls = new Map<string, { readonly call: ScriptCall; readonly entries: Entry[] }>();
  for (const entry of entries) {
    const { outcome, delivery } = entry;
    const { id, attempt, startedAt, retentionMs, result } = outcome;
    const name = `${retentionMs} ${delivery.stream}`;
    let one = calls.get(name);
    if (one === undefined) {
      const until = keepUntil(now, retentionMs);
      const args = [SCRIPT.keys, delivery.stream, doneKey(delivery.queue), GROUP, RECORD_PREFIX, until];
      one = { call: { script: SCRIPT, args }, entries: [] };
      calls.set(name, one);
    }
    const end = `${attempt} ${Math.round(startedAt)} ${Math.round(now)} ${executor}`;
    one.call.args.push(delivery.entry, id, end, result ?? "");
    one.entries.push(entry);
  }
  return [...calls.values()];
}

/** What the field `end` tells. */
export interface DoneEnd {
  readonly attempt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly executor: string;
}

/** Reads it; null where there is none. */
export function readEnd(text: string | null | undefined): DoneEnd | null {
  const match = /^(\d+) (\d+) (\d+) (.*)$/s.exec(text ?? "");
  if (match === null) return null;
  const [, attempt, startedAt, finishedAt, executor = ""] = match;
  return { attempt: Number(attempt), startedAt: Number(startedAt), finishedAt: Number(finishedAt), executor };
}
