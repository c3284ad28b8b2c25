/** Takes marks of cancelled tasks away whose time is over, or that nobody needs any more; bounded. */
import type { Redis } from "ioredis";
import { CANCELLED_KEY, RECORD_PREFIX, waitingCancelledKey } from "../keys.ts";
import { runScript, script } from "./lua.ts";
import { WHEREABOUTS } from "./whereabouts.ts";

/** KEYS sorted set; ARGV latest score, max -> how many members were removed. */
const FORGET = script(
  `
local ids = call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
if #ids > 0 then call('ZREM', KEYS[1], unpack(ids)) end
return #ids`,
  1,
);

/**
 * KEYS waiting marks, marks; ARGV record prefix, how many are looked at, the oldest -> how many went: their entries
 * were acknowledged by an executor of another program, which knows of no marks.
 */
const FORGET_TAKEN = script(
  `${WHEREABOUTS}
expect('zset', KEYS[1], KEYS[2])
local n = 0
for _, id in ipairs(call('ZRANGE', KEYS[1], 0, ARGV[2] - 1)) do
  local isRecord, r = pcall(headOf, ARGV[1] .. id)
  local hasEntry = isRecord and r and r.state == 'cancelled' and r.entry ~= ''
  if hasEntry and not isToCome(r.stream, r.entry) and not holder(r.stream, r.entry) then
    call('ZREM', KEYS[2], id)
    n = n + call('ZREM', KEYS[1], id)
  end
end
return n`,
  2,
);

/** Those of a queue. */
export async function forgetTaken(redis: Redis, queue: string, most: number): Promise<void> {
  const marks = waitingCancelledKey(queue);
  if ((await redis.exists(marks)) === 1) {
    await runScript(redis, FORGET_TAKEN, marks, CANCELLED_KEY, RECORD_PREFIX, most);
  }
}

/** @param latest - the highest score that goes. @returns how many went; fewer than `max`: there are no more. */
export async function forgetUntil(redis: Redis, key: string, latest: number, max: number): Promise<number> {
  return Number(await runScript(redis, FORGET, key, latest, max));
}
