/**
 * The consumers of a group that are left over: each executor that has ever claimed from a stream leaves one there, and
 * in containers each deploy has other names. One that holds an entry stays, and one that is registered or reads;
 * whoever comes back is made anew by its next read.
 */
import type { RedisConnections } from "./connection/connections.ts";
import { EXECUTORS_KEY, GROUP } from "./keys.ts";
import { runScript, script } from "./scripts/lua.ts";

/** How many one call removes at the most. */
const MOST = 200;
/**
 * One is gone that was silent for so many heartbeat timeouts, an hour by default: all that serve a stream read it,
 * foreign ones too, but a read that finds nothing need not show in Redis 7.0.
 */
const SILENT_TIMEOUTS = 30;

/** KEYS executors, streams; ARGV group, how long one must have been silent in ms, the most -> how many were removed. */
const DROP_CONSUMERS = script(
  `
expect('set', KEYS[1])
local n = 0
for i = 2, #KEYS do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[i], ARGV[1])
  -- Without a stream or a group there are none.
  for _, consumer in ipairs(consumers.err and {} or consumers) do
    local is = {}
    for field = 1, #consumer, 2 do is[consumer[field]] = consumer[field + 1] end
    local isSilent = is.pending == 0 and is.idle > tonumber(ARGV[2])
    if isSilent and redis.call('SISMEMBER', KEYS[1], is.name) == 0 then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[i], ARGV[1], is.name)
      n = n + 1
      if n >= tonumber(ARGV[3]) then return n end
    end
  end
end
return n`,
  1,
);

/** How many streams one call looks at. */
const STREAMS = 10;

/** Removes those of executors that are gone from these streams; bounded. */
export async function dropConsumers(
  connections: RedisConnections,
  streams: readonly { readonly key: string }[],
  heartbeatTimeoutMs: number,
): Promise<void> {
  const silentMs = heartbeatTimeoutMs * SILENT_TIMEOUTS;
  for (let at = 0; at < streams.length; at += STREAMS) {
    const keys = streams.slice(at, at + STREAMS).map(({ key }) => key);
    const drop = { ...DROP_CONSUMERS, keys: keys.length + 1 };
    await connections.run((redis) => runScript(redis, drop, EXECUTORS_KEY, ...keys, GROUP, silentMs, MOST));
  }
}
