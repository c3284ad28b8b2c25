/** The records that our done tasks left, counted in Redis itself: neither executor nor broker code is asked. */
import type { Redis } from "ioredis";

const INDEX = "taskexe:done:common";
const RECORDS = "taskexe:task:*";
/** How the record of a done task begins (docs/wire.md). */
const DONE = "Td";

/** How many records say done. Throws when the index that lists them tells another number. */
export async function doneRecords(redis: Redis): Promise<number> {
  // A scan may give a key twice while Redis grows or shrinks its table.
  const done = new Set<string>();
  for await (const keys of redis.scanStream({ match: RECORDS, count: 1000 })) {
    const pipeline = redis.pipeline();
    for (const key of keys) pipeline.getrange(key, 0, DONE.length - 1);
    const starts = (await pipeline.exec()) ?? [];
    for (const [index, [, start]] of starts.entries()) if (start === DONE) done.add(keys[index]);
  }
  const indexed = await redis.zcard(INDEX);
  if (indexed !== done.size) throw new Error(`${done.size} records say done, ${INDEX} lists ${indexed}`);
  return done.size;
}
