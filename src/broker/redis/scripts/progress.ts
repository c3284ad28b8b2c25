/**
 * One progress write, while the entry is still ours: what came behind the end would make a record that nobody removes.
 */
import { script } from "./lua.ts";
import { WHEREABOUTS } from "./whereabouts.ts";

/** KEYS record, stream; ARGV consumer, entry, when it was queued, then fields and values. */
export const PROGRESS = script(
  `${WHEREABOUTS}
if holder(KEYS[2], ARGV[2]) ~= ARGV[1] then return 0 end
-- A foreign task gets its record here: it is queued as far as the record goes, and running by its entry.
local r = readRecord(KEYS[1]) or { state = 'queued', message = entryMessage(KEYS[2], ARGV[2]) }
for i = 4, #ARGV, 2 do r[ARGV[i]] = ARGV[i + 1] end
r.enqueued_at = r.enqueued_at or ARGV[3]
writeRecord(KEYS[1], r)
return 1`,
  2,
);
