/** Takes up entries again that are pending under this executor's own name, in one script. */
import type { Redis } from "ioredis";
import { GROUP } from "../keys.ts";
import { runScript, script } from "./lua.ts";

/**
 * KEYS stream; ARGV group, consumer, ids... -> those entries that are still ours, as XCLAIM gives them: another
 * executor may have taken one since we looked.
 */
const RECOVER = script(
  `
local own = {}
for i = 3, #ARGV do
  local p = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if #p == 1 then own[#own + 1] = ARGV[i] end
end
if #own == 0 then return {} end
return redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(own))`,
  1,
);

/** @returns what XCLAIM answers of those that are still ours. */
export function recoverEntries(
  redis: Redis,
  { stream, executor }: { readonly stream: string; readonly executor: string },
  entries: readonly string[],
): Promise<unknown> {
  return runScript(redis, RECOVER, stream, GROUP, executor, ...entries);
}
