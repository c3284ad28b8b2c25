/**
 * The most common end of a task that keeps a record: done, with a result, and nothing else to tell. A batch of them
 * goes to Redis as one script a stream: a command a task with a reply of its own would cost the executor as much as
 * everything else together, and Redis half of its time. The script puts what is known of the end in front of the
 * message that stands in the record already, so that no message is sent or packed here. It does so where the record is
 * as its enqueue wrote it, and merges both where it says more.
 */
import { packSpent, type Spent } from "../../../task/record/attempt-times.ts";
import type { Outcome } from "../../broker.ts";
import { doneKey, GROUP, LEFT_ENTRIES_KEY, RECORD_PREFIX } from "../keys.ts";
import {
  FIELD_LETTERS,
  LONGEST_COPY,
  PAYLOAD_LETTER,
  packedStart,
  packFacts,
  packField,
  packNumber,
  packTime,
} from "../records/codec.ts";
import { RECORDS } from "../records/record-lua.ts";
import { MUST_STAY } from "../scripts/leave-stream.ts";
import { isOfAll, lackOf, PRELUDE, plainScript, type ScriptCall } from "../scripts/lua.ts";
import type { RedisDelivery } from "./delivery.ts";
import type { LastDelivered } from "./last-delivered.ts";
import { isFirst, keepUntil } from "./outcome-commands.ts";

/** A Lua pattern: how a message begins in a record. */
const MESSAGE = `[${[PAYLOAD_LETTER, FIELD_LETTERS.message].flatMap((each) => [each, each.toUpperCase()]).join("")}]`;

/**
 * KEYS stream, index, left entries; ARGV group, record prefix, keep until, pattern of what stands between entry and
 * message in a record that is as its enqueue wrote it, the same fields of one that is done, the entry that may be the
 * last which was delivered ("": none). Then runs of tasks that were queued, claimed, begun and ended in the same
 * milliseconds: how many, how many arguments each has, pattern of the time in their entries, the fields before those
 * that all share, and of each task entry, id and, in a run of three arguments, its result, packed -> where those
 * that were refused stand, from 1, and why. Nothing is acknowledged whose record was not written. All records are read
 * by one command and written by one: a call from Lua costs as much as what it does.
 */
const KEEP_DONE = `${MUST_STAY}
for i, kind in ipairs({ 'stream', 'zset', 'hash' }) do
  local held = redis.call('TYPE', KEYS[i]).ok
  if held ~= kind and held ~= 'none' then
    local found = 'WRONGTYPE the key "' .. KEYS[i] .. '" holds a ' .. held
    return redis.error_reply(found .. ', where a ' .. kind .. ' belongs')
  end
end
-- What comes behind the first write must not be refused: each try would count as a completion.
for _, may in ipairs({ { 'ZADD', KEYS[2] }, { 'XACK', KEYS[1] }, { 'XDEL', KEYS[1] }, { 'HSET', KEYS[3] } }) do
  if not redis.acl_check_cmd(may[1], may[2]) then return redis.error_reply(${lackOf("may[1]", "may[2]")}) end
end
-- For records that tell more than their enqueue wrote: made only where one comes.
local function makeMerge()
  ${PRELUDE}${RECORDS}
  local function merged(key, old, fields, entry)
    local new = unpackRecord(key, fields)
    local r = loadRecord(key, old) or {}
    local completions, since = (tonumber(r.completions) or 0) + 1, r.enqueued_at
    for name, value in pairs(new) do r[name] = value end
    r.entry, r.due_at, r.retention, r.progress, r.completions = nil, nil, nil, '1', completions
    r.enqueued_at = since or r.enqueued_at
    r.message = entryMessage(KEYS[1], entry) or r.message
    return packRecord(key, r)
  end
  return function(key, old, fields, entry)
    local isMerged, record = pcall(merged, key, old or redis.pcall('GET', key), fields, entry)
    if isMerged then return record end
    return nil, type(record) == 'table' and record.err or tostring(record)
  end
end
local ARGV, match, sub, prefix, till, shared = ARGV, string.match, string.sub, ARGV[2], ARGV[3], ARGV[5]
local keys, nth, i = {}, 0, 7
while ARGV[i] do
  local width = tonumber(ARGV[i + 1])
  local last = i + 3 + width * tonumber(ARGV[i])
  for at = i + 5, last, width do
    nth = nth + 1
    keys[nth] = prefix .. ARGV[at]
  end
  i = last + 1
end
local olds = redis.pcall('MGET', unpack(keys))
if olds.err then return olds end
local written, records, scored, entries, refused, merge = {}, {}, {}, {}, {}, nil
local count = 0
nth, i = 0, 7
while ARGV[i] do
  local width = tonumber(ARGV[i + 1])
  local plain = '^${packedStart("queued")}E%w' .. ARGV[i + 2] .. '[%l%d]+' .. ARGV[4] .. '()${MESSAGE}'
  local fields = '${packedStart("done")}' .. ARGV[i + 3] .. shared
  local last = i + 3 + width * tonumber(ARGV[i])
  for at = i + 4, last, width do
    nth = nth + 1
    local id, record, failed = ARGV[at + 1], width == 3 and fields .. ARGV[at + 2] or fields, nil
    -- The second end of a task that was queued again while it ran comes upon the first.
    local before = written[id]
    local old = before or olds[nth]
    local from = old and match(old, plain)
    if from then record = record .. sub(old, from)
    else
      merge = merge or makeMerge()
      record, failed = merge(keys[nth], old, record, ARGV[at])
    end
    if not failed then
      written[id] = record
      count = count + 1
      local two = 2 * count
      records[two - 1], records[two], entries[count] = keys[nth], record, ARGV[at]
      scored[two - 1], scored[two] = till, id
    else
      local code = match(failed, '^%u+')
      if (code ~= 'WRONGTYPE' and code ~= 'ERR') or ${isOfAll("failed")} then return redis.error_reply(failed) end
      refused[#refused + 1] = nth
      refused[#refused + 1] = failed
    end
  end
  i = last + 1
end
if count > 0 then
  local failed = redis.pcall('MSET', unpack(records)).err
  if failed then return redis.error_reply(failed) end
  redis.call('ZADD', KEYS[2], unpack(scored))
  redis.call('XACK', KEYS[1], ARGV[1], unpack(entries))
  local last, gone, isLeft = ARGV[6], entries, false
  if last ~= '' then
    local before = redis.call('HGET', KEYS[3], KEYS[1])
    if mustStay(KEYS[1], last) then
      gone = {}
      for _, entry in ipairs(entries) do
        if entry == last then isLeft = true else gone[#gone + 1] = entry end
      end
      if isLeft then redis.call('HSET', KEYS[3], KEYS[1], last) end
    end
    if before and before ~= last and (isLeft or not mustStay(KEYS[1], before)) then
      gone[#gone + 1] = before
      if not isLeft then redis.call('HDEL', KEYS[3], KEYS[1]) end
    end
  end
  if #gone > 0 then redis.call('XDEL', KEYS[1], unpack(gone)) end
end
return refused`;

const SCRIPT = plainScript(KEEP_DONE, 3);

export interface KeptDone {
  readonly outcome: Extract<Outcome, { kind: "done" }> & { readonly startedAt: number };
  readonly delivery: RedisDelivery;
}

/**
 * Whether this end is of that kind: nothing but the end is to be written. Its record is there from the enqueue, or, of
 * a task of another program's, mostly none.
 */
export function isKeptDone<Entry extends { readonly outcome: Outcome; readonly delivery: RedisDelivery }>(
  entry: Entry,
): entry is Entry & KeptDone {
  const { outcome, delivery } = entry;
  return (
    outcome.kind === "done" &&
    outcome.retentionMs > 0 &&
    outcome.followUp === undefined &&
    outcome.told === null &&
    !outcome.resultOmitted &&
    outcome.uniqueKey === null &&
    outcome.startedAt !== null &&
    delivery.raw !== null &&
    delivery.raw.length <= LONGEST_COPY &&
    isFirst(delivery)
  );
}

/** How many ends one call keeps: more would hold Redis for long. */
const MOST_KEPT = 500;

interface DoneCall<Entry> {
  readonly call: ScriptCall;
  readonly entries: Entry[];
  /** The run that the next task may belong to. */
  run: Run;
}

/** Tasks that were queued, claimed, begun and ended in the same milliseconds. */
interface Run {
  /** Where its arguments begin: first how many tasks it has. */
  readonly at: number;
  count: number;
  readonly hasResults: boolean;
  /** The time in the ids of the entries, with the dash behind it. */
  readonly since: string;
  readonly attempt: number;
  readonly startedAt: number;
  readonly spent: Spent | undefined;
}

/** That of no task: an id that begins with a dash there is not. */
const NO_RUN: Run = { at: 0, count: 0, hasResults: false, since: "-", attempt: 0, startedAt: 0, spent: undefined };

/** Calls that keep them, one for each stream, type and time to be kept, and whose ends each holds. */
export function keepDoneCalls<Entry extends KeptDone>(
  entries: readonly Entry[],
  { executor, now }: { readonly executor: string; readonly now: number },
  last: LastDelivered,
): { readonly call: ScriptCall; readonly entries: readonly Entry[] }[] {
  const calls: DoneCall<Entry>[] = [];
  const open = new Map<string, DoneCall<Entry>>();
  let one: DoneCall<Entry> | undefined;
  for (const entry of entries) {
    const { outcome, delivery } = entry;
    if (one === undefined || one.entries.length === MOST_KEPT || !isAlike(entry, one.entries[0])) {
      const name = `${outcome.retentionMs} ${delivery.stream} ${outcome.type}`;
      one = open.get(name);
      if (one === undefined || one.entries.length === MOST_KEPT) {
        one = newCall(entry, executor, now);
        open.set(name, one);
        calls.push(one);
      }
    }
    const { args } = one.call;
    const run = isOf(one.run, entry) ? one.run : newRun(args, entry);
    one.run = run;
    run.count++;
    args[run.at] = run.count;
    args.push(delivery.entry, outcome.id);
    if (run.hasResults) args.push(packField(FIELD_LETTERS.result, outcome.result ?? ""));
    one.entries.push(entry);
  }
  for (const { call, entries: ended } of calls) {
    const { stream = "" } = ended[0]?.delivery ?? {};
    const ids = ended.map(({ delivery }) => delivery.entry);
    call.args[LAST_AT] = last.lastAmong(stream, ids) ?? (last.mayHaveLeft(stream) ? NONE_OF_THEM : "");
  }
  return calls;
}

/** In place of the entry that may be the last delivered: what was left before is looked at all the same. */
const NONE_OF_THEM = "-";
/** Where the arguments of a call have the entry that may be the last delivered. */
export const LAST_AT = 9;

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
  const shared = `${packNumber(FINISHED, Math.round(now))}${place}${packField(EXECUTOR, executor)}`;
  const args = [
    SCRIPT.keys,
    stream,
    doneKey(queue),
    LEFT_ENTRIES_KEY,
    GROUP,
    RECORD_PREFIX,
    until,
    patternOf(plain),
    shared,
  ];
  args.push("");
  return { call: { script: SCRIPT, args }, entries: [], run: NO_RUN };
}

const { enqueued_at: SINCE, attempt: ATTEMPT, started_at: STARTED, times: TIMES } = FIELD_LETTERS;
const { finished_at: FINISHED, executor: EXECUTOR } = FIELD_LETTERS;

function isOf(run: Run, { outcome, delivery }: KeptDone): boolean {
  return (
    delivery.entry.startsWith(run.since) &&
    Math.round(outcome.startedAt) === run.startedAt &&
    outcome.attempt === run.attempt &&
    hasResult(outcome) === run.hasResults &&
    isSpentAlike(outcome.spent, run.spent)
  );
}

/** Of tasks that were queued and begun at the same times. */
function isSpentAlike(one: Spent | undefined, other: Spent | undefined): boolean {
  return one?.ranMs === other?.ranMs && one?.claimedMs === other?.claimedMs && one?.waitedMs === other?.waitedMs;
}

function newRun(args: (string | number)[], { outcome, delivery }: KeptDone): Run {
  const { attempt, spent } = outcome;
  const { entry, queuedAt } = delivery;
  const startedAt = Math.round(outcome.startedAt);
  const hasResults = hasResult(outcome);
  const times = `${packNumber(SINCE, queuedAt)}${packNumber(ATTEMPT, attempt)}${packNumber(STARTED, startedAt)}`;
  const fields = spent === undefined ? times : `${times}${packField(TIMES, packSpent(spent))}`;
  const at = args.push(0, hasResults ? 3 : 2, patternOf(packTime(queuedAt)), fields) - 4;
  return { at, count: 0, hasResults, since: entry.slice(0, entry.indexOf("-") + 1), attempt, startedAt, spent };
}

function hasResult({ result }: KeptDone["outcome"]): boolean {
  return result !== null && result !== "";
}

/** A Lua pattern that only this text matches. */
function patternOf(text: string): string {
  return text.replace(/[^\w\u0080-\uffff]/g, (each) => (each === "\0" ? "%z" : `%${each}`));
}
