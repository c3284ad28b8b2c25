/** The heartbeats of an executor, under its own name: what is no heartbeat there is neither overwritten nor removed. */
import { script } from "./lua.ts";

/** KEYS executors, name; ARGV name, time in s, beat, oldest time that is kept, the beat that this one replaces. */
export const BEAT = script(
  `
expect('set', KEYS[1])
expect('zset', KEYS[2])
call('SADD', KEYS[1], ARGV[1])
call('ZREM', KEYS[2], ARGV[5])
call('ZADD', KEYS[2], ARGV[2], ARGV[3])
call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[4])
call('PERSIST', KEYS[2])
return 1`,
  2,
);

/** KEYS executors, name; ARGV name, time in s, beat, how long that is kept in s, the beat that this one replaces. */
export const LEAVE = script(
  `
expect('set', KEYS[1])
expect('zset', KEYS[2])
call('ZREM', KEYS[2], ARGV[5])
call('ZADD', KEYS[2], ARGV[2], ARGV[3])
call('EXPIRE', KEYS[2], ARGV[4])
call('SREM', KEYS[1], ARGV[1])
return 1`,
  2,
);

/** KEYS executors, name; ARGV name. Anybody can write any name into that set: what it names need be no heartbeats. */
export const EXPEL = script(
  `
expect('set', KEYS[1])
call('SREM', KEYS[1], ARGV[1])
if redis.call('TYPE', KEYS[2]).ok == 'zset' then call('DEL', KEYS[2]) end
return 1`,
  2,
);
