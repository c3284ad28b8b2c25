/** Takes old members out of a sorted set, a bounded number in one script. */
import type { Redis } from "ioredis";
import { runScript, script } from "./lua.ts";

/** KEYS sorted set; ARGV latest score, max -> how many members were removed. */
const FORGET = script(
  `
local ids = call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
if #ids > 0 then call('ZREM', KEYS[1], unpack(ids)) end
return #ids`,
  1,
);

/** @param latest - the highest score that goes. @returns how many went; fewer than `max`: there are no more. */
export async function forgetUntil(redis: Redis, key: string, latest: number, max: number): Promise<number> {
  return Number(await runScript(redis, FORGET, key, latest, max));
}
