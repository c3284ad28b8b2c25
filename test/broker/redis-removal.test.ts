/**
 * The removal of what is over on Redis: fast, and no step holds the server for long.
 * @alone It measures how long Redis is held.
 */
import assert from "node:assert/strict";
import { QUEUE_RULES_KEY, QUEUES_KEY, REMOVING_KEY, recordKey } from "../../src/broker/redis/keys.ts";
import { QUEUE } from "../stage/outcomes.ts";
import { countOf } from "../stage/sentences.ts";
import { removeAll } from "./contract/removal.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis } = redisSentences();
const RECORDS = 30_000;

/** Done records as they are kept, long over. */
async function fill(): Promise<void> {
  for (let at = 0; at < RECORDS; at += 1_000) {
    const pipeline = redis().pipeline();
    for (let index = at; index < at + 1_000; index += 1) {
      pipeline.hset(recordKey(`t${index}`), {
        id: `t${index}`,
        type: "noop",
        queue: QUEUE,
        state: "done",
        result: "1",
      });
      pipeline.zadd(`taskexe:done:${QUEUE}`, index, `t${index}`);
    }
    await pipeline.exec();
  }
}

sentence("30 000 records that are over go in steps that hold Redis for less than 5 ms each", async (stage) => {
  const broker = await stage.open("a");
  await fill();
  await redis().config("RESETSTAT");
  const began = performance.now();
  const { removed, steps } = await removeAll(broker);
  const tookMs = performance.now() - began;
  assert.equal(removed, RECORDS);
  const stats = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await redis().info("commandstats"));
  const [calls, usec] = [Number(stats?.[1]), Number(stats?.[2])];
  assert.ok(usec / calls < 5_000, `${usec / calls} us a step, ${steps} steps`);
  assert.ok(tookMs < 5_000, `${tookMs} ms for ${RECORDS}`);
  const left = (await redis().keys("taskexe:*")).sort();
  assert.deepEqual(left, [QUEUE_RULES_KEY, QUEUES_KEY], "not even a mark of the remover is left");
});

sentence("one executor removes at a time, and another goes on where it has died over it", async (stage) => {
  const [a, b] = [await stage.open("a"), await stage.open("b")];
  await fill();
  assert.equal((await a.removeEnded()).more, true);
  assert.deepEqual(await b.removeEnded(), { removed: 0, more: false });
  const leftMs = await redis().pttl(REMOVING_KEY);
  assert.ok(leftMs > 0 && leftMs <= 3_000, `${leftMs}`);
  await redis().del(REMOVING_KEY);
  await removeAll(b);
  assert.equal((await countOf(b)).done, 0);
});
