/**
 * Looking for the tasks of one type among many of others, in Redis: what is not of that type never leaves it. A call
 * looks at so many tasks, or so many bytes, as hold Redis for a few ms, and tells where the next one goes on: the
 * commands of others are served between two calls.
 */
import { DEFAULT_TYPE } from "../../task/message-schema.ts";
import type { RedisConnections } from "./connections.ts";
import { RECORD_PREFIX } from "./keys.ts";
import { plainScript, runScript, script } from "./lua.ts";
import { RECORDS } from "./records/record-lua.ts";
import { type RawEntry, readEntries } from "./replies.ts";

/** How many tasks one call looks at, and how many bytes of messages. */
const STEP = 600;
const STEP_BYTES = 1_000_000;

/** Chunks are small at first: ten messages may be megabytes. */
const CHUNKS = `
local size, looked, bytes = 10, 0, 0
local function isOver(most)
  size = math.min(size * 2, 160)
  return looked >= math.min(most, ${STEP}) or bytes >= ${STEP_BYTES}
end
`;

/**
 * KEYS stream; ARGV the entry to begin behind, the type, 1 where a message without one is of it, how many to find and
 * to look at -> the entry to go on behind ("" at the end), how many were looked at, the entries. One whose message has
 * the type anywhere, or an escape that may stand for it, is given too: what it is, its message says to whoever parses
 * it.
 */
const SCAN_STREAM = plainScript(
  `${CHUNKS}
local after, found, most = ARGV[1], {}, tonumber(ARGV[4])
local function mayBe(text)
  return ARGV[3] == '1' or string.find(text, ARGV[2], 1, true) or string.find(text, '\\\\', 1, true)
end
repeat
  local entries = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', size)
  for _, entry in ipairs(entries) do
    looked, after, bytes = looked + 1, entry[1], bytes + #entry[2][2]
    if mayBe(entry[2][2]) then
      found[#found + 1] = entry
      if #found >= most then return { after, looked, found } end
    end
  end
  if #entries < size then return { '', looked, found } end
until isOver(tonumber(ARGV[5]))
return { after, looked, found }`,
  1,
);

/**
 * KEYS index; ARGV record prefix, the place to begin at, the type, how many to find and to look at -> the place to go
 * on at ("" at the end), how many were looked at, the ids.
 */
const SCAN_INDEX = script(
  `${RECORDS}${CHUNKS}
local function isOfType(id)
  local isRead, r = pcall(headOf, ARGV[1] .. id)
  if not isRead then oneOnly(r) end
  return isRead and r and r.type == ARGV[3]
end
local place, found, most = tonumber(ARGV[2]), {}, tonumber(ARGV[4])
repeat
  local ids = redis.call('ZRANGE', KEYS[1], place, place + size - 1)
  for _, id in ipairs(ids) do
    looked, place = looked + 1, place + 1
    if isOfType(id) then
      found[#found + 1] = id
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

/** Entries of a stream behind `after` that may be of a type, in their order. */
export async function scanStream(
  connections: RedisConnections,
  stream: string,
  { after, type, find, look }: Scan & { readonly after: string },
): Promise<Scanned<RawEntry>> {
  if (type === undefined) {
    const found = readEntries(await connections.run((redis) => redis.xrange(stream, `(${after}`, "+", "COUNT", find)));
    return { found, looked: found.length, next: found.length < find ? null : (found.at(-1)?.[0] ?? null) };
  }
  const untyped = type === DEFAULT_TYPE ? 1 : 0;
  const reply = await connections.run((redis) =>
    runScript(redis, SCAN_STREAM, stream, after, type, untyped, find, look),
  );
  const { next, looked, found } = readScanned(reply);
  return { next, looked, found: readEntries(found) };
}

/** The ids in an index that are of a type, from a place on, in their order. */
export async function scanIndex(
  connections: RedisConnections,
  index: string,
  { from, type, find, look }: Scan & { readonly from: number },
): Promise<Scanned<string>> {
  if (type === undefined) {
    const ids = await connections.run((redis) => redis.zrange(index, String(from), String(from + find - 1)));
    return { found: ids, looked: ids.length, next: ids.length < find ? null : String(from + ids.length) };
  }
  const reply = await connections.run((redis) =>
    runScript(redis, SCAN_INDEX, index, RECORD_PREFIX, from, type, find, look),
  );
  const { next, looked, found } = readScanned(reply);
  return { next, looked, found: found.map(String) };
}

function readScanned(reply: unknown): Scanned<unknown> {
  const [next, looked, found]: unknown[] = Array.isArray(reply) ? reply : [];
  return {
    next: next === "" || next === undefined ? null : String(next),
    looked: Number(looked ?? 0),
    found: Array.isArray(found) ? found : [],
  };
}
