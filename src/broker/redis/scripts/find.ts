/**
 * Looking for tasks by their ids among the entries of a stream, in Redis: those that have no record stand nowhere else.
 * A call looks at so many entries, or so many bytes, as hold Redis for a few ms, and tells where the next one goes on.
 * It gives candidates: whether an entry really is of such a task, its message says to whoever parses it.
 */
import type { RedisConnections } from "../connection/connections.ts";
import { GROUP } from "../keys.ts";
import { LAST_DELIVERED } from "./leave-stream.ts";
import { plainScript, runScript } from "./lua.ts";
import { CHUNKS } from "./scan.ts";

/** Ids of such characters alone stand in any JSON as they are. */
const PLAIN_ID = /^[\w.:-]+$/;

/** Lua: `isCandidate(text)`, from ARGV[4] on: 1 where an id may be written with escapes, then the ids. */
const CANDIDATES = `${CHUNKS}
local wanted, hasEscapes = {}, ARGV[3] == '1'
for i = 4, #ARGV do wanted[ARGV[i]] = true end
local function isCandidate(text)
  for id in string.gmatch(text, '"id"%s*:%s*"([^"\\\\]*)"') do
    if wanted[id] then return true end
  end
  if not hasEscapes or not string.find(text, '\\\\', 1, true) then return false end
  local ok, task = pcall(cjson.decode, text)
  return ok and type(task) == 'table' and wanted[task.id] == true
end
local found = {}
local function look(entry)
  local text = entry[2][2] or ''
  looked, bytes = looked + 1, bytes + #text
  if isCandidate(text) then found[#found + 1] = entry[1] end
end
`;

/**
 * KEYS stream; ARGV the entry to begin behind ("": the last one that the group has delivered), how many to look at, 1
 * where an id may be written with escapes, ids... -> the entry to go on behind ("" at the end), how many were looked
 * at, candidates.
 */
const AMONG_WAITING = plainScript(
  `${LAST_DELIVERED}${CANDIDATES}
local after = ARGV[1]
if after == '' then after = lastDelivered(KEYS[1]) end
if after == '' then after = '0-0' end
repeat
  local entries = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', size)
  for _, entry in ipairs(entries) do
    after = entry[1]
    look(entry)
  end
  if #entries < size then return { '', looked, found } end
until isOver(tonumber(ARGV[2]))
return { after, looked, found }`,
  1,
);

/** The same among those that are pending, from the first one on. */
const AMONG_PENDING = plainScript(
  `${CANDIDATES}
local after = ARGV[1]
repeat
  local pending = redis.pcall('XPENDING', KEYS[1], '${GROUP}', after == '' and '-' or '(' .. after, '+', size)
  -- There is no group yet, and so nothing is pending.
  if pending.err then return { '', looked, found } end
  for _, one in ipairs(pending) do
    after = one[1]
    local entries = redis.call('XRANGE', KEYS[1], after, after)
    if entries[1] then look(entries[1]) else looked = looked + 1 end
  end
  if #pending < size then return { '', looked, found } end
until isOver(tonumber(ARGV[2]))
return { after, looked, found }`,
  1,
);

/** What one call has found, and where the next one goes on; null at the end. */
export interface FoundEntries {
  readonly entries: readonly string[];
  readonly looked: number;
  readonly next: string | null;
}

/** Where to look: behind an entry, at so many. */
export interface LookedAt {
  readonly kind: "waiting" | "pending";
  readonly stream: string;
  readonly after: string;
  readonly most: number;
}

/** One call. @param ids - at most 1 000. */
export async function findEntries(
  connections: RedisConnections,
  { kind, stream, after, most }: LookedAt,
  ids: readonly string[],
): Promise<FoundEntries> {
  const script = kind === "waiting" ? AMONG_WAITING : AMONG_PENDING;
  const hasEscapes = ids.every((id) => PLAIN_ID.test(id)) ? "" : "1";
  const reply = await connections.run((redis) => runScript(redis, script, stream, after, most, hasEscapes, ...ids));
  const [next, looked, entries]: unknown[] = Array.isArray(reply) ? reply : [];
  return {
    next: next ? String(next) : null,
    looked: Number(looked ?? 0),
    entries: Array.isArray(entries) ? entries.map(String) : [],
  };
}
