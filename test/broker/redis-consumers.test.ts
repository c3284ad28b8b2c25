/** Consumers that executors have left behind in a group. */
import assert from "node:assert/strict";
import { GROUP, streamKey } from "../../src/broker/redis/keys.ts";
import { claimAll, QUEUE, tasks } from "../stage/outcomes.ts";
import { eventually } from "../stage/until.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis } = redisSentences();
const STREAM = streamKey(QUEUE, 0);

async function consumers(): Promise<string[]> {
  const all: unknown = await redis().xinfo("CONSUMERS", STREAM, GROUP);
  assert.ok(Array.isArray(all));
  return all.map((one) => String(one[1])).sort();
}

sentence("those of executors that are gone are removed; who holds, reads or is registered stays", async (stage) => {
  const options = { heartbeatTimeoutMs: 200 };
  const [a, gone] = [await stage.open("a", options), await stage.open("gone", options)];
  await a.enqueue(tasks(2));
  await claimAll(gone, 1, stage.signal);
  for (const name of ["old-1", "old-2", "reads", "a"]) {
    await redis().xgroup("CREATECONSUMER", STREAM, GROUP, name);
  }
  await a.beat("{}");
  await eventually(15_000, async () => {
    // As an executor of another kind does that is up and finds nothing.
    await redis().xreadgroup("GROUP", GROUP, "reads", "COUNT", 1, "STREAMS", STREAM, "0");
    await a.beat("{}");
    const before = await consumers();
    for (const name of ["a", "gone", "reads"]) assert.ok(before.includes(name), `${name} stays`);
    await a.clean();
    return !(await consumers()).some((name) => name.startsWith("old"));
  });
  for (const name of ["a", "gone", "reads"]) assert.ok((await consumers()).includes(name), `${name} stays`);
});
