/** One command for each of many keys. */
import type { Redis } from "ioredis";

/** How many go in one pipeline. */
const STEP = 1_000;

/**
 * The replies, in order; an error about one key, as of another type, is null. @throws (rejects) where Redis is away.
 */
export async function each(
  redis: Redis,
  keys: readonly string[],
  add: (pipeline: ReturnType<Redis["pipeline"]>, key: string) => unknown,
): Promise<unknown[]> {
  const replies: unknown[] = [];
  for (let at = 0; at < keys.length; at += STEP) {
    const pipeline = redis.pipeline();
    for (const key of keys.slice(at, at + STEP)) add(pipeline, key);
    for (const [error, reply] of (await pipeline.exec()) ?? []) {
      if (error !== null && error.name !== "ReplyError") throw error;
      replies.push(error === null ? reply : null);
    }
  }
  return replies;
}
