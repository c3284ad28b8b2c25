/**
 * Looking for the tasks of one type among many of others, in Redis: what is not of that type never leaves it. A call
 * looks at so many tasks, or so many bytes, as hold Redis for a few ms, and tells where the next one goes on: the
 * commands of others are served between two calls.
 */

import { DEFAULT_TYPE } from "../../../task/message/message-schema.ts";
import { BYTES_PER_UNIT, LISTED_MESSAGE_LENGTH } from "../../../task/record/listed-task.ts";
import type { RedisConnections } from "../connection/connections.ts";
import type { RawEntry } from "../connection/replies.ts";
import { MESSAGE_FIELD, RECORD_PREFIX } from "../keys.ts";
import { HEAD_BYTES } from "../records/codec.ts";
import { RECORDS } from "../records/record-lua.ts";
import { SPLICE } from "../records/splice-lua.ts";
import { plainScript, runScript, script } from "./lua.ts";

/** How many tasks one call looks at, and how many bytes of messages. */
const STEP = 600;
const STEP_BYTES = 1_000_000;

/** A message up to so many bytes is given whole; of a longer one its beginning and its end, so many bytes of each. */
const WHOLE_BYTES = 2 * BYTES_PER_UNIT * LISTED_MESSAGE_LENGTH;

/** A Lua pattern: how a message of ours begins, with its id and its type. */
export const OWN_MESSAGE = '^{"id":"([^"\\\\]+)","task_type":"([^"\\\\]+)","payload":';
/** The same with a trace before the payload. */
export const TRACED_MESSAGE = OWN_MESSAGE.replace(',"payload":', ',"trace":{[^{}]*},"payload":');

/** Chunks are small at first, and stay so where messages are long: ten may be megabytes. */
export const CHUNKS = `
local size, looked, bytes = 1, 0, 0
local function isOver(most)
  local fit = looked == 0 and 160 or math.floor(${STEP_BYTES / 10} * looked / (bytes + 1))
  size = math.max(1, math.min(size * 4, 160, fit))
  return looked >= math.min(most, ${STEP}) or bytes >= ${STEP_BYTES}
end
-- An entry, its fields, and where its message is cut the end and the whole length of that.
local function part(entry)
  local fields = entry[2]
  local text = fields[2]
  if #fields ~= 2 or #text <= ${WHOLE_BYTES} then return entry end
  local n = ${WHOLE_BYTES / 2}
  return { entry[1], { fields[1], string.sub(text, 1, n) }, string.sub(text, -n), #text }
end
`;

/**
 * KEYS stream; ARGV the entry to begin behind, the type ("": any), 1 where a message without one is of it, how many to
 * find and to look at, 1 where only ids are wanted -> the entry to go on behind ("" at the end), how many were looked
 * at, the entries as `part` gives them. One whose message has the type anywhere, or an escape that may stand for it, is
 * given too: what it is, its message says to whoever parses it. Where only ids are wanted, a task of ours is given as
 * three texts instead: its entry, its id, its type.
 */
const SCAN_STREAM = plainScript(
  `${CHUNKS}
local after, found, most, wanted = ARGV[1], {}, tonumber(ARGV[4]), ARGV[2]
local n, isBrief, match = 0, ARGV[6] == '1', string.match
local function mayBe(text)
  return ARGV[3] == '1' or wanted == '' or string.find(text, wanted, 1, true) or string.find(text, '\\\\', 1, true)
end
repeat
  local entries = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', size)
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    local text, id, kind = fields[2], nil, nil
    looked, after, bytes = looked + 1, entry[1], bytes + #text
    if isBrief and #fields == 2 and fields[1] == '${MESSAGE_FIELD}' then
      id, kind = match(text, '${OWN_MESSAGE}')
      if not id then id, kind = match(text, '${TRACED_MESSAGE}') end
    end
    local place, isFound = #found, false
    if id then
      isFound = wanted == '' or kind == wanted
      if isFound then found[place + 1], found[place + 2], found[place + 3] = after, id, kind end
    elseif mayBe(text) then
      isFound, found[place + 1] = true, part(entry)
    end
    if isFound then n = n + 1 end
    if n >= most then return { after, looked, found } end
  end
  if #entries < size then return { '', looked, found } end
until isOver(tonumber(ARGV[5]))
return { after, looked, found }`,
  1,
);

/**
 * KEYS index; ARGV record prefix, the place to begin at, the type, how many to find and to look at -> the place to go
 * on at ("" at the end), how many were looked at, the ids, each with the place behind it and when it ended ("": it has
 * not).
 */
const SCAN_INDEX = script(
  `${RECORDS}${SPLICE}${CHUNKS}
local function typeAndEnd(key)
  local text = redis.pcall('GETRANGE', key, 0, ${HEAD_BYTES - 1})
  if type(text) == 'string' then
    local facts, _, _, ended = usual('cancelled', key, text)
    if facts then return { type = facts.type, finished_at = ended } end
    facts = usual('scheduled', key, text)
    if facts then return facts end
  end
  return loadRecord(key, text)
end
local function ofType(id)
  local isRead, r = pcall(typeAndEnd, ARGV[1] .. id)
  if not isRead then oneOnly(r) end
  return isRead and r and r.type == ARGV[3] and r
end
local place, found, most = tonumber(ARGV[2]), {}, tonumber(ARGV[4])
repeat
  local ids = redis.call('ZRANGE', KEYS[1], place, place + size - 1)
  for _, id in ipairs(ids) do
    looked, place = looked + 1, place + 1
    local r = ofType(id)
    if r then
      found[#found + 1] = { place, id, r.finished_at or '' }
      if #found >= most then return { place, looked, found } end
    end
  end
  if #ids < size then return { '', looked, found } end
until isOver(tonumber(ARGV[5]))
return { place, looked, found }`,
  1,
);

export interface Scan {
  /** undefined: of any type; then as many are looked at as are found. */
  readonly type: string | undefined;
  /** How many tasks to find at the most, and to look at. */
  readonly find: number;
  readonly look: number;
}

export interface Scanned<T> {
  readonly found: readonly T[];
  readonly looked: number;
  /** Where to go on; null at the end. */
  readonly next: string | null;
}

/** KEYS stream; ARGV entries... -> those that are there, as `part` gives them, from the first on, and how far. */
const READ_PARTS = plainScript(
  `${CHUNKS}
local found = {}
for i, id in ipairs(ARGV) do
  local entries = redis.call('XRANGE', KEYS[1], id, id)
  if #entries == 1 then
    found[#found + 1] = part(entries[1])
    for _, text in ipairs(entries[1][2]) do bytes = bytes + #text end
  end
  if bytes >= ${STEP_BYTES} then return { i, found } end
end
return { #ARGV, found }`,
  1,
);

/** An entry of a stream, its message perhaps cut. */
export interface EntryPart {
  readonly entry: string;
  readonly fields: RawEntry[1];
  /** Of a message that is cut: its end, and its whole length in bytes. */
  readonly cut: { readonly end: string; readonly bytes: number } | null;
}

/** These entries of a stream, without those that are gone. */
export async function readParts(
  connections: RedisConnections,
  stream: string,
  entries: readonly string[],
): Promise<EntryPart[]> {
  const parts: EntryPart[] = [];
  for (let from = 0; from < entries.length; ) {
    const some = entries.slice(from, from + STEP);
    const reply = await connections.run((redis) => runScript(redis, READ_PARTS, stream, ...some));
    const [done, found]: unknown[] = Array.isArray(reply) ? reply : [];
    parts.push(...partsIn(found));
    from += Number(done ?? some.length);
  }
  return parts;
}

export function partsIn(reply: unknown): EntryPart[] {
  if (!Array.isArray(reply)) return [];
  return reply.filter(Array.isArray).map(([entry, fields, end, bytes]: unknown[]) => {
    return { entry: String(entry), fields, cut: end === undefined ? null : { end: String(end), bytes: Number(bytes) } };
  });
}

/** A task of ours in a stream, of which no more is wanted. */
export interface EntryId {
  readonly entry: string;
  readonly id: string;
  readonly type: string;
}

/**
 * Entries of a stream behind `after` that may be of a type, in their order.
 *
 * @param brief - whether only their ids are wanted.
 */
export async function scanStream(
  connections: RedisConnections,
  stream: string,
  { after, type, find, look, brief }: Scan & { readonly after: string; readonly brief: boolean },
): Promise<Scanned<EntryPart | EntryId>> {
  const flags = [type === DEFAULT_TYPE ? 1 : 0, find, look, brief ? 1 : 0];
  const reply = await connections.run((redis) => runScript(redis, SCAN_STREAM, stream, after, type ?? "", ...flags));
  const { next, looked, found } = readScanned(reply);
  const entries: (EntryPart | EntryId)[] = [];
  for (let at = 0; at < found.length; at++) {
    if (Array.isArray(found[at])) entries.push(...partsIn([found[at]]));
    else entries.push({ entry: String(found[at]), id: String(found[++at]), type: String(found[++at]) });
  }
  return { next, looked, found: entries };
}

/** An id in an index, and the place behind it. */
export interface Placed {
  readonly id: string;
  readonly after: string;
  /** When it ended, Unix ms; null: it has not. undefined: its record was not read. */
  readonly finishedAt?: number | null;
}

/** The ids in an index that are of a type, from a place on, in their order. */
export async function scanIndex(
  connections: RedisConnections,
  index: string,
  { from, type, find, look }: Scan & { readonly from: number },
): Promise<Scanned<Placed>> {
  if (type === undefined) {
    const ids = await connections.run((redis) => redis.zrange(index, String(from), String(from + find - 1)));
    const found = ids.map((id, at) => ({ id, after: String(from + at + 1) }));
    return { found, looked: ids.length, next: ids.length < find ? null : String(from + ids.length) };
  }
  const reply = await connections.run((redis) =>
    runScript(redis, SCAN_INDEX, index, RECORD_PREFIX, from, type, find, look),
  );
  const { next, looked, found } = readScanned(reply);
  const placed = found.filter(Array.isArray).map(([after, id, at]: unknown[]) => ({
    id: String(id),
    after: String(after),
    finishedAt: at ? Number(at) : null,
  }));
  return { next, looked, found: placed };
}

function readScanned(reply: unknown): Scanned<unknown> {
  const [next, looked, found]: unknown[] = Array.isArray(reply) ? reply : [];
  return {
    next: next === "" || next === undefined ? null : String(next),
    looked: Number(looked ?? 0),
    found: Array.isArray(found) ? found : [],
  };
}
