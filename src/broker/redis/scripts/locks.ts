/**
 * The locks of users. A lock is one plain key with its owner as the value and a time to live, as valkey-py's and
 * redis-py's Lock write it: those and ours exclude each other. Fences come from one key for all of them.
 */
import type { Locks, LockTry } from "../../contract/locks.ts";
import type { RedisConnections } from "../connection/connections.ts";
import { LOCK_FENCE_KEY } from "../keys.ts";
import { runScript, script } from "./lua.ts";

/**
 * KEYS lock, fence; ARGV owner, time to live in ms -> the fence as text, or the ms that the present owner has left (-1:
 * it has no end).
 */
const TAKE_LOCK = script(
  `
expect('string', KEYS[1], KEYS[2])
mayRun('SET', KEYS[1])
mayRun('SET', KEYS[2])
if call('GET', KEYS[1]) ~= ARGV[1] and not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return redis.call('PTTL', KEYS[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local time = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
local fence = string.format('%.0f', math.max(last + 1, tonumber(time[1]) * 1000000 + tonumber(time[2])))
redis.call('SET', KEYS[2], fence)
return fence`,
  2,
);

/** KEYS lock; ARGV owner, time to live in ms -> 1 where it is still this owner's. */
const RENEW_LOCK = script(
  `
expect('string', KEYS[1])
if call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
  1,
);

/** KEYS lock; ARGV owner -> 1 where it was still this owner's. */
const FREE_LOCK = script(
  `
expect('string', KEYS[1])
if call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`,
  1,
);

export class RedisLocks implements Locks {
  readonly #connections: Pick<RedisConnections, "run">;

  constructor(connections: Pick<RedisConnections, "run">) {
    this.#connections = connections;
  }

  async take(name: string, owner: string, ttlMs: number): Promise<LockTry> {
    const ttl = Math.ceil(ttlMs);
    const answer = await this.#connections.run((redis) =>
      runScript(redis, TAKE_LOCK, name, LOCK_FENCE_KEY, owner, ttl),
    );
    if (typeof answer === "string") return { taken: true, fence: Number(answer) };
    const left = Number(answer);
    return { taken: false, leftMs: left < 0 ? null : left };
  }

  async renew(name: string, owner: string, ttlMs: number): Promise<boolean> {
    const ttl = Math.ceil(ttlMs);
    return (await this.#connections.run((redis) => runScript(redis, RENEW_LOCK, name, owner, ttl))) === 1;
  }

  async free(name: string, owner: string): Promise<boolean> {
    return (await this.#connections.run((redis) => runScript(redis, FREE_LOCK, name, owner))) === 1;
  }
}
