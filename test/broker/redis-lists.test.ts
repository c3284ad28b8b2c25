/**
 * Lists by type over Redis: what a message says counts, however it is written, and Redis itself looks through the rest.
 */
import assert from "node:assert/strict";
import type { Broker } from "../../src/broker/broker.ts";
import type { ListQuery } from "../../src/broker/contract/admin.ts";
import { doneKey, GROUP, MESSAGE_FIELD, recordKey, streamKey } from "../../src/broker/redis/keys.ts";
import { claimAll, claimOne, dead, done, QUEUE, retry, task } from "../stage/outcomes.ts";
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
    const bytes = await sent(async () => assert.deepEqual(await listAll(a, { type: "rare" }), rare));
    const count = await asked();
    assert.ok(bytes < 50_000, `${bytes} bytes of 10 000 others`);
    assert.equal(count("get"), 0, "no record is asked for alone");
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

/** A payload of 4 MB, in an object as most are. */
function longTask(id: string, options: Readonly<Record<string, unknown>> = {}) {
  const said = Object.keys(options).length > 0 ? { taskexe: options } : {};
  return task(id, {
    message: JSON.stringify({ id, task_type: "noop", payload: { long: "é".repeat(2_000_000) }, ...said }),
  });
}

/** What Redis has sent meanwhile, in bytes. */
async function sent(meanwhile: () => Promise<void>): Promise<number> {
  const total = async () => Number(/total_net_output_bytes:(\d+)/.exec(await redis().info("stats"))?.[1]);
  const before = await total();
  await meanwhile();
  return (await total()) - before;
}

sentence("a list of tasks of 4 MB moves kilobytes, whatever their state", async (stage) => {
  const broker = await stage.open("a");
  const error = { name: "Error", message: "m".repeat(4_000), stack: "s".repeat(100_000) };
  const ends = [
    (delivery: Parameters<typeof done>[0]) => done(delivery, { result: JSON.stringify("r".repeat(1_000_000)) }),
    (delivery: Parameters<typeof done>[0]) => dead(delivery, { error, failure: { attempt: 1, before: 0 } }),
    (delivery: Parameters<typeof done>[0]) => retry(delivery, { delayMs: 600_000, message: longTask("t2").message }),
  ];
  for (const [at, end] of ends.entries()) {
    await broker.enqueue([longTask(`t${at}`)]);
    await broker.complete([end(await claimOne(broker, stage.signal))]);
  }
  await broker.enqueue([longTask("runs", { attempt: 3 })]);
  await claimOne(broker, stage.signal);
  await broker.enqueue([longTask("waits"), longTask("sleeps")].map((one, at) => ({ ...one, delayMs: at * 600_000 })));
  const bytes = await sent(async () => {
    const { tasks } = await broker.list({ limit: 100 });
    const told = tasks.map(({ id, state, attempt, message_bytes: whole }) => [id, state, attempt, whole > 4_000_000]);
    assert.deepEqual(told.toSorted(), [
      ["runs", "running", 3, true],
      ["sleeps", "scheduled", 0, true],
      ["t0", "done", 1, true],
      ["t1", "dead", 1, true],
      ["t2", "retrying", 1, true],
      ["waits", "queued", 0, true],
    ]);
    const deadOne = tasks.find(({ id }) => id === "t1");
    assert.deepEqual(deadOne?.error, { name: "Error", message: "m".repeat(1_000) });
    assert.match(deadOne?.errors[0]?.message ?? "", /^m{500}/);
    assert.deepEqual(tasks.find(({ id }) => id === "t0")?.result_bytes, 1_000_002);
  });
  assert.ok(bytes < 200_000, `${bytes} bytes`);
  const whole = await broker.record("t0");
  assert.deepEqual([whole?.message, whole?.result], [longTask("t0").message, "r".repeat(1_000_000)]);
});

sentence("a long message of another program is listed, and a long one of an older version", async (stage) => {
  const broker = await stage.open("a");
  const foreign = JSON.stringify({ doc: "é".repeat(10_000), task_type: "parse", id: "foreign" });
  await redis().xadd(STREAM, "*", MESSAGE_FIELD, foreign);
  const { message } = longTask("old");
  const result = JSON.stringify("r".repeat(5_000));
  await redis().hset(recordKey("old"), { id: "old", type: "noop", queue: QUEUE, state: "done", message, result });
  await redis().zadd(doneKey(QUEUE), 1, "old");
  const { tasks } = await broker.list({ limit: 10 });
  assert.deepEqual(
    tasks.map(({ id, state, type, message: cut, message_bytes: whole, result_bytes: bytes }) => [
      ...[id, state, type, cut, whole, bytes],
    ]),
    [
      ["foreign", "queued", "parse", foreign.slice(0, 1_000), Buffer.byteLength(foreign), 0],
      ["old", "done", "noop", message.slice(0, 1_000), Buffer.byteLength(message), 5_002],
    ],
  );
});
