/** Removes ended records, many in one script. */
import type { Redis } from "ioredis";
import {
  CANCELLED_KEY,
  cancelFlagKey,
  LEFT_ENTRIES_KEY,
  LOG_PREFIX,
  RECORD_PREFIX,
  VOID_ENTRIES_KEY,
  waitingCancelledKey,
} from "../keys.ts";
import { RECORDS } from "../records/record-lua.ts";
import { LAST_DELIVERED, TAKE_OUT } from "./leave-stream.ts";
import { runScript, script } from "./lua.ts";
import { UNFLAG } from "./unflag.ts";

/**
 * KEYS index, waiting marks, marks; ARGV record prefix, log prefix, state, then id and flag key in turn -> how
 * many records of that state were removed. With one that was cancelled while it waited go its entry, its marks and its
 * flag: a new task of that id must not meet them.
 */
const REMOVE = script(
  `${RECORDS}${LAST_DELIVERED}${TAKE_OUT}${UNFLAG}
expect('zset', KEYS[1], KEYS[2], KEYS[3], '${VOID_ENTRIES_KEY}')
expect('hash', '${LEFT_ENTRIES_KEY}')
local n = 0
for i = 4, #ARGV, 2 do
  local r = readRecord(ARGV[1] .. ARGV[i])
  if not r or r.state == ARGV[3] then
    free(r and r.queue and timedKey(r.unique_for_a_time, r.queue, r.message), ARGV[i])
    if call('ZREM', KEYS[2], ARGV[i]) == 1 then
      if r and r.stream and r.entry ~= '' then makeVoid(r.stream, r.entry) end
      call('ZREM', KEYS[3], ARGV[i])
      unflag(ARGV[i + 1])
    end
    call('DEL', ARGV[1] .. ARGV[i], ARGV[2] .. ARGV[i])
    n = n + call('ZREM', KEYS[1], ARGV[i])
  end
end
return n`,
  3,
);

/** Which records are to go: of a queue, in a state, listed in an index. */
export interface Removing {
  readonly index: string;
  readonly queue: string;
  readonly state: string;
}

/** @returns how many went. */
export async function removeRecords(
  redis: Redis,
  { index, queue, state }: Removing,
  ids: readonly string[],
): Promise<number> {
  const keys = [index, waitingCancelledKey(queue), CANCELLED_KEY];
  const flags = ids.flatMap((id) => [id, cancelFlagKey(id)]);
  return Number(await runScript(redis, REMOVE, ...keys, RECORD_PREFIX, LOG_PREFIX, state, ...flags));
}
