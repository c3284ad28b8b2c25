/**
 * Tasks of ours that another program took and acknowledged without deleting their entries, as RagFlow's executors do:
 * their records would say queued for ever. Such a task is ended here: dead, with a reason that says what is known. A
 * retry by hand, or an enqueue of the same id, makes a new one of it. An executor of ours never leaves an entry like
 * that: it deletes what it ends. But a consumer that was deleted by hand does, and its executor, if it lives, takes the
 * entry again at its next renewal: so an entry must have been nobody's for longer than any lease of an executor of ours
 * that is known. An executor that comes too late all the same finds that the entry is not its own any more.
 */
import { MOVES } from "../../../task/state.ts";
import { BrokerRefusedError } from "../../broker.ts";
import { isAnswer } from "../connection/answers.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { inChunks } from "../connection/in-flight.ts";
import type { RedisFleet } from "../fleet.ts";
import { CANCEL_CHANNEL, DOUBT, deadKey, NOBODYS_KEY, RECORD_PREFIX } from "../keys.ts";
import { runScript, script } from "../scripts/lua.ts";
import { ENDED_ELSEWHERE, isOneOf, WHEREABOUTS } from "../scripts/whereabouts.ts";

/** How long an entry must have been nobody's, in ms; where executors of ours live, so much longer than a lease. */
const GRACE_MS = 15_000;
/** How many of them are remembered, and how long, in ms: no lease is longer than an hour. */
const MOST = 10_000;
const REMEMBERED_MS = 3 * 3_600_000;
/** How many ids one call looks at. */
const CHUNK = 100;

/**
 * KEYS nobodys; ARGV record prefix, dead index less the queue, how long an entry must have been nobody's in ms ("": no
 * task is ended), ids... -> those that are ended now; or, where none is to be ended, those that have been nobody's for
 * long.
 */
const END_ELSEWHERE = script(
  `${WHEREABOUTS}
expect('zset', KEYS[1])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function int(n) return string.format('%.0f', n) end
local grace = tonumber(ARGV[3])
-- Whoever only reads, of a replica too, writes nothing.
local old = int(now - ${REMEMBERED_MS})
if call('ZCOUNT', KEYS[1], '-inf', old) > 0 then call('ZREMRANGEBYSCORE', KEYS[1], '-inf', old) end
local function finish(id)
  local key = ARGV[1] .. id
  local r = readRecord(key)
  if not r or not ${isOneOf("r.state", MOVES.claim.from)} or not r.queue or r.entry == '' then return false end
  local stream, entry = r.stream, r.entry
  if #call('XRANGE', stream, entry, entry) == 0 or isToCome(stream, entry) then return false end
  if holder(stream, entry) then return false end
  local member = stream .. ' ' .. entry
  local since = call('ZSCORE', KEYS[1], member)
  if not since then
    if call('ZCARD', KEYS[1]) < ${MOST} then call('ZADD', KEYS[1], int(now), member) end
    return false
  end
  if now - tonumber(since) < (grace or ${GRACE_MS}) then return false end
  if not grace then return true end
  local index = ARGV[2] .. r.queue
  expect('zset', index)
  mayRun('SET', key)
  mayRun('ZADD', index)
  -- A long one stands in the entry alone while the task waits.
  r.message = messageOf(r)
  -- The entry stays named, so that no later owner of it takes it for its own.
  r.state, r.finished_at, r.reason, r.due_at = 'dead', int(now), '${ENDED_ELSEWHERE}', nil
  writeRecord(key, r)
  call('ZADD', index, int(now), id)
  free(r.unique, id)
  free(timedKey(r.unique_for_a_time, r.queue, r.message), id)
  call('ZREM', KEYS[1], member)
  takeOut(stream, entry)
  -- Should an executor that nobody knows of run it, that one asks before it ends anything.
  redis.pcall('PUBLISH', '${CANCEL_CHANNEL}', '${DOUBT}')
  return true
end
local out = {}
for i = 4, #ARGV do
  local ok, ended = pcall(finish, ARGV[i])
  if not ok then oneOnly(ended) elseif ended then out[#out + 1] = ARGV[i] end
end
return out`,
  1,
);

export class RedisElsewhere {
  readonly #connections: RedisConnections;
  readonly #fleet: Pick<RedisFleet, "longestLease">;

  constructor(connections: RedisConnections, fleet: Pick<RedisFleet, "longestLease">) {
    this.#connections = connections;
    this.#fleet = fleet;
  }

  /** Ends those of these tasks that have ended outside of taskexe; gives their ids. */
  async end(ids: readonly string[]): Promise<string[]> {
    return inChunks(ids, CHUNK, async (chunk) => {
      const old = await this.#look("", chunk);
      // The fleet is asked only where there is something to end: whoever looks at a task that waits finds none.
      return old.length === 0 ? [] : this.#look((await this.#fleet.longestLease()) + GRACE_MS, old);
    });
  }

  /** The same for one that is looked at. Where Redis does not let us write, its record stays as it is. */
  async hasEnded(id: string): Promise<boolean> {
    try {
      return (await this.end([id])).length > 0;
    } catch (error) {
      if (error instanceof BrokerRefusedError || (error instanceof Error && isAnswer(error))) return false;
      throw error;
    }
  }

  async #look(graceMs: number | "", ids: readonly string[]): Promise<string[]> {
    const reply = await this.#connections.run((redis) =>
      runScript(redis, END_ELSEWHERE, NOBODYS_KEY, RECORD_PREFIX, deadKey(""), graceMs, ...ids),
    );
    return Array.isArray(reply) ? reply.map(String) : [];
  }
}
