/**
 * The most common end of a task that keeps a record: done, with a result, and nothing else to tell. A batch of them
 * goes to Redis as one script a stream: a command a task with a reply of its own would cost the executor as much as
 * everything else together, and Redis half of its time. The record is packed here, whole; the script looks only whether
 * the one before it says what an enqueue writes, and merges both where it says more.
 */
import type { Outcome } from "../../broker.ts";
import { doneKey, GROUP, RECORD_PREFIX } from "../keys.ts";
import {
  FIELD_LETTERS,
  PAYLOAD_LETTER,
  packEntry,
  packFacts,
  packField,
  packMessage,
  packNumber,
} from "../records/codec.ts";
import { packedStart, RECORDS } from "../records/record-lua.ts";
import { isOfAll, lackOf, PRELUDE, plainScript, type ScriptCall } from "../scripts/lua.ts";
import type { RedisDelivery } from "./delivery.ts";
import { isFirst, keepUntil, MOST_SENT } from "./outcome-commands.ts";

/**
 * KEYS stream, index; ARGV group, record prefix, keep until, what stands between entry and message in a record that is
 * as its enqueue wrote it, then 4 of each task: entry, that packed, id, record -> where each of those that were refused
 * stands, from 1, and why. Nothing is acknowledged whose record was not written.
 */
const KEEP_DONE = `
for i, kind in ipairs({ 'stream', 'zset' }) do
  local held = redis.call('TYPE', KEYS[i]).ok
  if held ~= kind and held ~= 'none' then
    local found = 'WRONGTYPE the key "' .. KEYS[i] .. '" holds a ' .. held
    return redis.error_reply(found .. ', where a ' .. kind .. ' belongs')
  end
end
-- What comes behind the first write must not be refused: each try would count as a completion.
for _, may in ipairs({ { 'ZADD', KEYS[2] }, { 'XACK', KEYS[1] }, { 'XDEL', KEYS[1] } }) do
  if not redis.acl_check_cmd(may[1], may[2]) then return redis.error_reply(${lackOf("may[1]", "may[2]")}) end
end
-- For records that tell more than their enqueue wrote: made only where one comes.
local function makeMerge()
  ${PRELUDE}${RECORDS}
  return function(key, old, new)
    local function restore(error)
      if type(old) == 'string' then redis.call('SET', key, old) end
      return error.err
    end
    local isRead, r = pcall(loadRecord, key, old)
    if not isRead then return restore(type(r) == 'table' and r or { err = tostring(r) }) end
    if not r then return nil end
    local completions, since = (tonumber(r.completions) or 0) + 1, r.enqueued_at
    for name, value in pairs(unpackRecord(key, new)) do r[name] = value end
    r.entry, r.due_at, r.retention, r.progress, r.completions = nil, nil, nil, '1', completions
    r.enqueued_at = since or r.enqueued_at
    writeRecord(key, r)
  end
end
-- Its message is the last field of a record, or it has none: the new one has it in any case.
local function isPlain(old, head)
  if type(old) ~= 'string' or string.sub(old, 1, #head) ~= head then return false end
  local letter = string.lower(string.sub(old, #head + 1, #head + 1))
  return letter == '${PAYLOAD_LETTER}' or letter == '${FIELD_LETTERS.message}' or letter == ''
end
local scored, entries, refused, merge = {}, {}, {}, nil
for i = 5, #ARGV, 4 do
  local entry, id, record = ARGV[i], ARGV[i + 2], ARGV[i + 3]
  local key = ARGV[2] .. id
  local old, failed = redis.pcall('SET', key, record, 'GET'), nil
  if not isPlain(old, '${packedStart("queued")}' .. ARGV[i + 1] .. ARGV[4]) then
    merge = merge or makeMerge()
    failed = merge(key, old, record)
  end
  if not failed then
    entries[#entries + 1] = entry
    scored[#scored + 1] = ARGV[3]
    scored[#scored + 1] = id
  else
    local code = string.match(failed, '^%u+')
    if (code ~= 'WRONGTYPE' and code ~= 'ERR') or ${isOfAll("failed")} then return redis.error_reply(failed) end
    refused[#refused + 1] = (i - 1) / 4
    refused[#refused + 1] = failed
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
  readonly delivery: RedisDelivery & { readonly raw: string };
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
    delivery.raw !== null &&
    delivery.raw.length <= MOST_SENT &&
    isFirst(delivery)
  );
}

interface DoneCall<Entry> {
  readonly call: ScriptCall;
  readonly entries: Entry[];
  /** What is the same in each of its records: where its task belongs, and who ended it when. */
  readonly place: string;
  readonly finished: string;
  readonly executor: string;
  /** The last record's fields before its result: many that follow have the same. */
  last: Fields;
}

/** All fields before the result, and what they were made of. */
interface Fields {
  readonly text: string;
  /** The time in the entry's id, with the dash behind it. */
  readonly since: string;
  readonly attempt: number;
  readonly startedAt: number;
}

/** Those of no task: an id that begins with a dash there is not. */
const NO_FIELDS: Fields = { text: "", since: "-", attempt: 0, startedAt: 0 };

/** Calls that keep them, one for each stream, type and time to be kept, and whose ends each holds. */
export function keepDoneCalls<Entry extends KeptDone>(
  entries: readonly Entry[],
  { executor, now }: { readonly executor: string; readonly now: number },
): { readonly call: ScriptCall; readonly entries: readonly Entry[] }[] {
  const calls = new Map<string, DoneCall<Entry>>();
  let one: DoneCall<Entry> | undefined;
  for (const entry of entries) {
    const { outcome, delivery } = entry;
    if (one === undefined || !isAlike(entry, one.entries[0])) {
      const name = `${outcome.retentionMs} ${delivery.stream} ${outcome.type}`;
      one = calls.get(name) ?? newCall(entry, executor, now);
      calls.set(name, one);
    }
    const place = packField(FIELD_LETTERS.entry, packEntry(delivery.entry));
    one.call.args.push(delivery.entry, place, outcome.id, recordOf(one, entry));
    one.entries.push(entry);
  }
  return [...calls.values()];
}

/** Whether both go in one call. */
function isAlike({ outcome, delivery }: KeptDone, other: KeptDone | undefined): boolean {
  return (
    outcome.retentionMs === other?.outcome.retentionMs &&
    outcome.type === other.outcome.type &&
    delivery.stream === other.delivery.stream
  );
}

function newCall<Entry extends KeptDone>({ outcome, delivery }: Entry, executor: string, now: number): DoneCall<Entry> {
  const { queue, priority, stream } = delivery;
  const { type } = outcome;
  const place = packFacts({ retentionMs: null, priority, queue, type });
  const plain = packFacts({ retentionMs: Math.round(outcome.retentionMs), priority, queue, type });
  const until = keepUntil(now, outcome.retentionMs);
  return {
    call: { script: SCRIPT, args: [SCRIPT.keys, stream, doneKey(queue), GROUP, RECORD_PREFIX, until, plain] },
    entries: [],
    last: NO_FIELDS,
    ...{ place, finished: packField(FINISHED, String(Math.round(now))), executor: packField(EXECUTOR, executor) },
  };
}

const START = packedStart("done");
const { enqueued_at: SINCE, attempt: ATTEMPT, started_at: STARTED } = FIELD_LETTERS;
const { finished_at: FINISHED, executor: EXECUTOR, result: RESULT } = FIELD_LETTERS;

/** The record of a task that is done; fields in the order of codec.ts. */
function recordOf(one: DoneCall<unknown>, { outcome, delivery }: KeptDone): string {
  const { id, type, attempt, result } = outcome;
  const startedAt = Math.round(outcome.startedAt);
  const { last } = one;
  const isSame = last.startedAt === startedAt && last.attempt === attempt && delivery.entry.startsWith(last.since);
  if (!isSame) one.last = fieldsOf(one, delivery, attempt, startedAt);
  return `${one.last.text}${result ? packField(RESULT, result) : ""}${packMessage(id, type, delivery.raw)}`;
}

function fieldsOf(
  { place, finished, executor }: DoneCall<unknown>,
  { entry, queuedAt }: RedisDelivery,
  attempt: number,
  startedAt: number,
): Fields {
  const times = `${packNumber(SINCE, queuedAt)}${packNumber(ATTEMPT, attempt)}${packNumber(STARTED, startedAt)}`;
  const since = entry.slice(0, entry.indexOf("-") + 1);
  return { text: `${START}${times}${finished}${place}${executor}`, since, attempt, startedAt };
}
