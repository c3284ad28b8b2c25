/**
 * One progress write, while the entry is still ours: what came behind the end would make a record that nobody removes.
 */
import { script } from "./lua.ts";
import { WHEREABOUTS } from "./whereabouts.ts";

/** KEYS record, stream; ARGV consumer, entry, message ("": none), when it was queued, then fields and values. */
export const PROGRESS = script(
  `${WHEREABOUTS}
if holder(KEYS[2], ARGV[2]) ~= ARGV[1] then return 0 end
call('HSET', KEYS[1], unpack(ARGV, 5))
-- A foreign task gets its record here: it is queued as far as the record goes, and running by its entry.
call('HSETNX', KEYS[1], 'state', 'queued')
call('HSETNX', KEYS[1], 'enqueued_at', ARGV[4])
if ARGV[3] ~= '' then call('HSETNX', KEYS[1], 'message', ARGV[3]) end
return 1`,
  2,
);
