/** The entry of a stream that waits longest, by its id alone: a message may be of any length. */
import type { Redis } from "ioredis";
import { GROUP } from "../keys.ts";
import { runScript, script } from "./lua.ts";

/** KEYS stream -> the id of the first entry that the group has not delivered; false where there is none. */
const OLDEST = script(
  `
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then return false end
local last = '0-0'
for _, group in ipairs(call('XINFO', 'GROUPS', KEYS[1])) do
  local of = {}
  for i = 1, #group, 2 do of[group[i]] = group[i + 1] end
  if of['name'] == '${GROUP}' then last = of['last-delivered-id'] end
end
local first = call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1)[1]
return first and first[1] or false`,
  1,
);

/** When it was queued, Unix ms; null: nothing waits. */
export async function oldestIn(redis: Redis, stream: string): Promise<number | null> {
  const id = await runScript(redis, OLDEST, stream);
  return typeof id === "string" ? Number.parseInt(id, 10) : null;
}
