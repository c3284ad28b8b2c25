/** Gives the lock of a clean-up back, where it is still this executor's, in one script. */
import type { Redis } from "ioredis";
import { LOCK_KEY } from "../keys.ts";
import { runScript, script } from "./lua.ts";

/** KEYS lock; ARGV owner -> 1 when it was given back. */
const UNLOCK = script(
  `
if call('GET', KEYS[1]) == ARGV[1] then return call('DEL', KEYS[1]) end
return 0`,
  1,
);

export async function unlock(redis: Redis, owner: string): Promise<void> {
  await runScript(redis, UNLOCK, LOCK_KEY, owner);
}
