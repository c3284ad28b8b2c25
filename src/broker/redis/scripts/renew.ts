/** Renews the leases on entries of one stream that are this executor's, in one script. */
import type { Redis } from "ioredis";
import { GROUP, NOBODYS_KEY } from "../keys.ts";
import { runScript, script } from "./lua.ts";
import { WHEREABOUTS } from "./whereabouts.ts";

/**
 * KEYS stream; ARGV group, consumer, "1" in doubt, ids... -> the ids that others have taken, those that are gone, and 1
 * where the group is. The idle time of the rest restarts. An entry that is nobody's, since its group or our consumer
 * was deleted by hand, is ours again.
 */
const RENEW = script(
  `${WHEREABOUTS}
local taken, gone, own, nobodys = {}, {}, {}, {}
for i = 4, #ARGV do
  local is = isOwn(KEYS[1], ARGV[2], ARGV[i], ARGV[3] == '1')
  if is and holder(KEYS[1], ARGV[i]) then own[#own + 1] = ARGV[i]
  elseif is then nobodys[#nobodys + 1] = ARGV[i]
  elseif is == nil then gone[#gone + 1] = ARGV[i]
  else taken[#taken + 1] = ARGV[i] end
end
if #own > 0 then
  own[#own + 1] = 'JUSTID'
  call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(own))
end
for _, entry in ipairs(nobodys) do redis.pcall('ZREM', '${NOBODYS_KEY}', KEYS[1] .. ' ' .. entry) end
if #nobodys > 0 then
  nobodys[#nobodys + 1] = 'FORCE'
  nobodys[#nobodys + 1] = 'JUSTID'
  -- Without a group there is nothing to write down; none can be claimed by another then, either.
  redis.pcall('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(nobodys))
end
return { taken, gone, isGroupGone and 1 or 0 }`,
  1,
);

export interface Renewed {
  /** Entries that others have taken. */
  readonly taken: ReadonlySet<unknown>;
  /** Entries that are not there any more. */
  readonly gone: ReadonlySet<unknown>;
  readonly isGroupGone: boolean;
}

/** @param isDoubtful - whether entries may have changed hands without their owners' knowledge. */
export async function renewEntries(
  redis: Redis,
  {
    stream,
    executor,
    isDoubtful,
  }: { readonly stream: string; readonly executor: string; readonly isDoubtful: boolean },
  entries: readonly string[],
): Promise<Renewed> {
  const reply = await runScript(redis, RENEW, stream, GROUP, executor, isDoubtful ? "1" : "", ...entries);
  const [taken, gone, isGroupGone]: unknown[] = Array.isArray(reply) ? reply : [];
  const [takenIds, goneIds] = [taken, gone].map((ids): ReadonlySet<unknown> => new Set(Array.isArray(ids) ? ids : []));
  return { taken: takenIds ?? new Set(), gone: goneIds ?? new Set(), isGroupGone: isGroupGone === 1 };
}
