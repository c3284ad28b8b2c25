/**
 * Lists by type over Redis: what a message says counts, however it is written, and Redis itself looks through the rest.
 */
import assert from "node:assert/strict";
import type { ListQuery } from "../../src/broker/administration.ts";
import type { Broker } from "../../src/broker/broker.ts";
import { GROUP, MESSAGE_FIELD, streamKey } from "../../src/broker/redis/keys.ts";
import { claimAll, QUEUE, task } from "../stage/outcomes.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis } = redisSentences();
const STREAM = streamKey(QUEUE, 0);

async function listAll(broker: Broker, query: Omit<ListQuery, "limit">): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page = await broker.list({ ...query, limit: 100, ...(cursor === "" ? {} : { cursor }) });
    ids.push(...page.tasks.map(({ id }) => id));
    cursor = page.cursor;
  }
  return ids;
}

sentence("a type is found however its message writes it, and nowhere else", async (stage) => {
  const a = await stage.open("a");
  const messages = [
    '{"id":"plain","task_type":"rare"}',
    '{"id": "spaced", "task_type" : "rare"}',
    '{"task_type":"\\u0072are","id":"escaped"}',
    '{"id":"other","task_type":"noop","payload":"rare \\\\ rare"}',
    '{"id":"longer","task_type":"rarely"}',
    '{"id":"untyped"}',
    '{"id":"null","task_type":null}',
    '{"id":"named","task_type":"default"}',
    '{"id":"odd","task_type":"say \\"ü\\""}',
    "no JSON, but rare",
  ];
  for (const message of messages) await redis().xadd(STREAM, "*", MESSAGE_FIELD, message);
  await redis().xadd(STREAM, "*", "one", "rare", "two", "rare");
  const expected = [
    ["rare", ["plain", "spaced", "escaped"]],
    ["default", ["untyped", "null", "named"]],
    ['say "ü"', ["odd"]],
    ["none", []],
  ] as const;
  for (const [type, ids] of expected) assert.deepEqual(await listAll(a, { type, state: "queued" }), ids);
  await claimAll(a, messages.length + 1, stage.signal);
  for (const [type, ids] of expected) assert.deepEqual(await listAll(a, { type, state: "running" }), ids);
});

/** How often Redis was asked for what, since the last reset. */
async function asked(): Promise<(command: string) => number> {
  const stats = await redis().info("commandstats");
  return (command) => Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

for (const delayMs of [0, 3_600_000]) {
  const where = delayMs === 0 ? "queued" : "scheduled";
  sentence(`a rare type among thousands of ${where} ones costs no question for each of the others`, async (stage) => {
    const a = await stage.open("a");
    for (let at = 0; at < 10_000; at += 1_000) {
      await a.enqueue(Array.from({ length: 1_000 }, (_, index) => task(`t${at + index}`, { delayMs })));
    }
    const rare = ["r0", "r1", "r2"];
    await a.enqueue(rare.map((id) => task(id, { type: "rare", delayMs })));
    await redis().config("RESETSTAT");
    assert.deepEqual(await listAll(a, { type: "rare" }), rare);
    const count = await asked();
    assert.equal(count("get"), rare.length);
    assert.equal(count("evalsha") + count("eval") < 100, true);
    assert.ok(count("xpending") < 10, `${count("xpending")} times`);
  });
}

sentence("a list of what waits asks for no entry who has it", async (stage) => {
  const a = await stage.open("a");
  await a.enqueue(Array.from({ length: 1_000 }, (_, index) => task(`t${index}`)));
  await redis().config("RESETSTAT");
  assert.equal((await listAll(a, { state: "queued" })).length, 1_000);
  const count = await asked();
  assert.equal(count("xpending"), 0);
  assert.equal((await redis().xpending(STREAM, GROUP))[0], 0);
});
