/**
 * How many entries of a stream stand behind the last one that its group has delivered: for where Redis cannot tell the
 * lag. Acknowledged entries that another program never deletes do not count, however many there are.
 */
import type { Redis } from "ioredis";
import { GROUP } from "../keys.ts";
import { LAST_DELIVERED } from "./leave-stream.ts";
import { PRELUDE, plainScript, runScript } from "./lua.ts";

/** How many entries are counted on each side of the last delivered one, and how many bytes of them are read. */
const MOST = 10_000;
const CHUNK = 100;
const MOST_BYTES = 4_000_000;

/**
 * KEYS stream -> how many stand behind. Where more stand on both sides than are counted, it is what was added less what
 * the group has read, which is too much only where somebody has deleted some that waited.
 */
const BACKLOG = plainScript(
  `${PRELUDE}${LAST_DELIVERED}
local stream = KEYS[1]
local last, length = lastDelivered(stream), call('XLEN', stream)
if last == '' then return length end
-- nil where there are more than are counted.
local function count(from, to)
  local n, bytes = 0, 0
  repeat
    local entries = call('XRANGE', stream, from, to, 'COUNT', ${CHUNK})
    n = n + #entries
    for _, entry in ipairs(entries) do
      from = '(' .. entry[1]
      for _, text in ipairs(entry[2]) do bytes = bytes + #text end
    end
    if #entries < ${CHUNK} then return n end
  until n >= ${MOST} or bytes >= ${MOST_BYTES}
end
local behind = count('(' .. last, '+')
if behind then return behind end
local before = count('-', last)
if before then return length - before end
local info, about = call('XINFO', 'STREAM', stream), {}
for i = 1, #info, 2 do about[info[i]] = info[i + 1] end
for _, flat in ipairs(call('XINFO', 'GROUPS', stream)) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  if group.name == '${GROUP}' then
    local read = group['entries-read'] or 0
    return math.max(0, math.min(about['entries-added'] - read, length - group.pending))
  end
end
return length`,
  1,
);

export async function backlogOf(redis: Redis, stream: string): Promise<number> {
  return Number(await runScript(redis, BACKLOG, stream));
}
