/** Marks of cancelled tasks that stand for weeks: an enqueue and a claim do not pay for those of others. */
import assert from "node:assert/strict";
import { CANCELLED_KEY, waitingCancelledKey } from "../../src/broker/redis/keys.ts";
import { claimAll, idOf, QUEUE, tasks } from "../stage/outcomes.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis } = redisSentences();

const MARKS = 60_000;
const STEP = 20_000;
/** What a claim of a few tasks may be told: a hundred marks, its tasks, and the answers to its questions. */
const MOST_BYTES = 60_000;

const FILL = `for i = 1, tonumber(ARGV[1]) do
  redis.call('ZADD', KEYS[1], ARGV[2], 'gone-' .. i)
  redis.call('ZADD', KEYS[2], ARGV[2], 'gone-' .. i)
end`;

async function told(what: () => Promise<unknown>): Promise<number> {
  const bytes = async (): Promise<number> =>
    Number(/total_net_output_bytes:(\d+)/.exec(await redis().info("stats"))?.[1]);
  const before = await bytes();
  await what();
  return (await bytes()) - before;
}

sentence("however many marks stand, an enqueue and a claim read no more than a hundred of them", async (stage) => {
  const broker = await stage.open("a");
  const until = Date.now() + 3_600_000;
  for (let at = 0; at < MARKS; at += STEP) {
    const keys = [CANCELLED_KEY, waitingCancelledKey(QUEUE)];
    await redis().eval(FILL.replace("= 1, ", `= ${at + 1}, ${at} + `), keys.length, ...keys, STEP, until);
  }
  assert.equal(await redis().zcard(CANCELLED_KEY), MARKS);
  const enqueued = await told(() => broker.enqueue(tasks(10)));
  assert.ok(enqueued < MOST_BYTES, `an enqueue was told ${enqueued} bytes`);
  const [second] = tasks(2).slice(1);
  assert.ok(second !== undefined);
  await broker.cancel([second.id]);
  let ids: string[] = [];
  const claimed = await told(async () => {
    ids = (await claimAll(broker, 10, stage.signal)).map(idOf);
  });
  assert.equal(ids.length, 10, "the cancelled one comes, too: whoever runs it looks");
  assert.ok(claimed < MOST_BYTES, `a claim was told ${claimed} bytes`);
});
