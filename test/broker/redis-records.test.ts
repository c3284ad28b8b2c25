/**
 * The records of tasks in Redis: packed and read alike in Lua and here, byte by byte; those that an older version wrote
 * as hashes are read, and end as if this one had written them.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseRedisAddress } from "../../src/broker/redis/connection/address.ts";
import { RedisConnections } from "../../src/broker/redis/connection/connections.ts";
import { recordKey, scheduledKey, streamKey } from "../../src/broker/redis/keys.ts";
import {
  FIELD_LETTERS,
  HEAD_BYTES,
  LONGEST_COPY,
  PAYLOAD_LETTER,
  packField,
  payloadAt,
  STATE_LETTERS,
  unpack,
} from "../../src/broker/redis/records/codec.ts";
import { readHeads } from "../../src/broker/redis/records/read-records.ts";
import { RECORDS } from "../../src/broker/redis/records/record-lua.ts";
import { runScript, script } from "../../src/broker/redis/scripts/lua.ts";
import { formatMessage } from "../../src/task/message/message.ts";
import { JsonText } from "../../src/task/text/json-text.ts";
import { claimAll, claimOne, dead, done, idOf, QUEUE, retry, task } from "../stage/outcomes.ts";
import { eventually } from "../stage/until.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis, url } = redisSentences();
const STREAM = streamKey(QUEUE, 0);

/** KEYS record; ARGV its fields as JSON -> what it reads back, as JSON. */
const WRITE = script(
  `${RECORDS}
writeRecord(KEYS[1], cjson.decode(ARGV[1]))
return cjson.encode(readRecord(KEYS[1]))`,
  1,
);

const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 300 });
const number = fc.integer({ min: 1, max: 2 ** 50 }).map(String);
const NUMBERS = new Set(["attempt", "started_at", "finished_at", "retention", "due_at", "crashes", "completions"]);

const millis = fc.oneof(number, fc.integer({ min: 1_600_000_000_000, max: 2_000_000_000_000 }).map(String));
const retention = fc.oneof(
  number,
  fc
    .tuple(fc.integer({ min: 1, max: 400 }), fc.constantFrom(1, 1_000, 60_000, 3_600_000, 86_400_000))
    .map(([n, ms]) => {
      return String(n * ms);
    }),
);
/** How a message is made of an id and a type: as we write it, nearly so, or any text. */
const makeMessage = fc.oneof(
  text.map((any) => () => any),
  fc.json().map((json) => (id: string, type: string) => formatMessage({ id, type, payload: JSON.parse(json) })),
  fc.json().map((json) => (id: string, type: string) => {
    return formatMessage({ id, type, payload: new JsonText(json), options: { attempt: 2 } });
  }),
  text.map((any) => (id: string, type: string) => `{"id":"${id}","task_type":"${type}","payload":${any}`),
  text.map((any) => (id: string, type: string) => `{"id":"${id}","task_type":"${type}","payload":${any}}`),
  fc.constant((id: string, type: string) => `{"id":"${id}","task_type":"${type}","payload":`),
);

const record = fc
  .record(
    {
      ...Object.fromEntries(
        Object.keys(FIELD_LETTERS)
          .filter((name) => name !== "priority" && name !== "progress")
          .map((name) => [name, NUMBERS.has(name) ? number : text]),
      ),
      type: text,
      queue: fc.oneof(text, fc.constant("common")),
      retention,
      entry: fc.tuple(millis, fc.oneof(fc.constant("0"), number)).map(([ms, nth]) => `${ms}-${nth}`),
      enqueued_at: number,
      "error:1": text,
      "error:12": text,
    },
    { requiredKeys: ["type", "queue"] },
  )
  .chain((fields) =>
    fc.constantFrom(...Object.keys(STATE_LETTERS)).map((state): Record<string, string> => ({ ...fields, state })),
  );

/** A message as it stands in a record. */
function packMessage(id: string, type: string, message: string): string {
  const from = payloadAt(id, type, message);
  if (from === 0) return packField(FIELD_LETTERS.message, message);
  return packField(PAYLOAD_LETTER, Buffer.from(message).subarray(from, -1).toString());
}

sentence("what a script writes is read back by it, and here, as it was, whatever the texts", async () => {
  await fc.assert(
    fc.asyncProperty(text, record, fc.option(makeMessage), async (id, { message: _, ...plain }, make) => {
      const fields: Record<string, string> = make === null ? plain : { ...plain, message: make(id, plain.type ?? "") };
      const key = recordKey(id);
      const reply = JSON.parse(String(await runScript(redis(), WRITE, key, JSON.stringify(fields))));
      const packed = await redis().getBuffer(key);
      const read = unpack(id, packed ?? Buffer.alloc(0));
      const whole: Record<string, string> = { ...fields };
      const isCopy = fields.state === "queued" && fields.entry !== undefined;
      if (isCopy && Buffer.byteLength(fields.message ?? "") > LONGEST_COPY) delete whole.message;
      if (fields.message !== undefined) {
        const ours = packMessage(id, fields.type ?? "", fields.message);
        assert.ok(whole.message === undefined || packed?.toString().endsWith(ours), "packed alike");
      }
      if (fields.entry !== undefined) whole.enqueued_at ??= fields.entry.slice(0, fields.entry.indexOf("-"));
      if (fields.state === "done") Object.assign(whole, { progress: "1", completions: fields.completions ?? "1" });
      assert.deepEqual(read, { fields: whole, cut: null });
      assert.deepEqual(reply, { ...whole, entry: fields.entry ?? "", stream: `te.0.${fields.queue}` });
      await redis().del(key);
    }),
    { numRuns: 300 },
  );
});

sentence("of a message of our own only the payload and the options are kept", async () => {
  for (const id of ["plain", 'with "quotes"', "ü-😀"]) {
    const message = formatMessage({ id, type: "noop", payload: { a: "日本" } });
    for (const raw of [message, `{"task_type":"noop","id":"${id}"}`, "no JSON"]) {
      const fields = { state: "dead", type: "noop", queue: QUEUE, message: raw };
      await runScript(redis(), WRITE, recordKey(id), JSON.stringify(fields));
      const packed = await redis().getBuffer(recordKey(id));
      assert.equal(packed?.toString(), `TxQ2${QUEUE}T4noop${packMessage(id, "noop", raw)}`);
      assert.equal(unpack(id, packed ?? Buffer.alloc(0))?.fields.message, raw);
    }
  }
  const packed = packMessage("a", "noop", '{"id":"a","task_type":"noop","payload":1}');
  assert.equal(packed, "Y11");
});

sentence("what is short of a record is read without its message, however long its names are", async (stage) => {
  const broker = await stage.open("a");
  const [id, type] = ["😀".repeat(64), "ü".repeat(128)];
  await broker.enqueue([{ ...task(id, { type, delayMs: 60_000, message: "m".repeat(5_000_000) }), id }]);
  const { options } = parseRedisAddress(url());
  const connections = new RedisConnections(options, "reader");
  try {
    await connections.open(false, stage.signal);
    await redis().config("RESETSTAT");
    const [head] = await readHeads(connections, [id]);
    assert.deepEqual([head?.state, head?.type, head?.queue], ["scheduled", type, QUEUE]);
    const sent = Number(/total_net_output_bytes:(\d+)/.exec(await redis().info("stats"))?.[1]);
    assert.ok(sent < 4 * HEAD_BYTES + 20_000, `${sent} bytes were sent`);
  } finally {
    connections.close();
  }
});

sentence("the message of a task that waits stands in its record, packed as a script packs it", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("t", { retentionMs: 60_000 })]);
  const waits = await redis().getBuffer(recordKey("t"));
  const read = unpack("t", waits ?? Buffer.alloc(0))?.fields ?? {};
  await runScript(redis(), WRITE, recordKey("t"), JSON.stringify(read));
  assert.deepEqual(await redis().getBuffer(recordKey("t")), waits);
  const { message } = task("t");
  assert.equal(read.message, message);
  assert.equal((await broker.record("t"))?.message, message);
  const delivery = await claimOne(broker, stage.signal);
  assert.equal((await broker.record("t"))?.message, message);
  await broker.complete([done(delivery, { retentionMs: 60_000 })]);
  assert.equal(await redis().xlen(STREAM), 0);
  const ended = await broker.record("t");
  assert.deepEqual([ended?.state, ended?.message, ended?.completions], ["done", message, 1]);
});

sentence("each of many ends in one batch has its own times, attempt and type in its record", async (stage) => {
  const broker = await stage.open("a");
  const since: (number | null | undefined)[] = [];
  for (let n = 0; n < 12; n++) {
    const type = n % 4 < 2 ? "noop" : "other";
    await broker.enqueue([task(`t${n}`, { type })]);
    since.push((await broker.record(`t${n}`))?.enqueued_at);
  }
  const deliveries = await claimAll(broker, 12, stage.signal);
  const startOf = (n: number) => 1_700_000_000_000 + Math.floor(n / 6);
  const attemptOf = (n: number) => (n < 9 ? 1 : 2);
  await broker.complete(
    deliveries.map((delivery) => {
      const n = Number(idOf(delivery).slice(1));
      return done(delivery, {
        startedAt: startOf(n),
        attempt: attemptOf(n),
        retentionMs: n % 5 === 0 ? 50_000 : 60_000,
        result: n % 3 === 0 ? JSON.stringify({ of: n }) : null,
      });
    }),
  );
  for (const [n, enqueued] of since.entries()) {
    const type = n % 4 < 2 ? "noop" : "other";
    const { enqueued_at, started_at, attempt, type: kind, message, result } = (await broker.record(`t${n}`)) ?? {};
    assert.deepEqual([enqueued_at, started_at, attempt, kind], [enqueued, startOf(n), attemptOf(n), type], `t${n}`);
    assert.equal(message, task(`t${n}`, { type }).message);
    assert.deepEqual(result, n % 3 === 0 ? { of: n } : null);
  }
});

sentence(
  "what stands in a record before its end stands there afterwards, with odd names and long messages",
  async (s) => {
    const broker = await s.open("a");
    for (const [id, type, size] of [
      ["odd", "a.b-c(d)%[é]*+?^$", 10],
      ["long", "noop", LONGEST_COPY - 100],
      ["too-long", "noop", LONGEST_COPY + 1],
    ] as const) {
      const { message } = task(id, { type, message: formatMessage({ id, type, payload: "ü".repeat(size) }) });
      await broker.enqueue([task(id, { type, message })]);
      const since = (await broker.record(id))?.enqueued_at;
      assert.deepEqual(await broker.complete([done(await claimOne(broker, s.signal))]), ["recorded"]);
      const { state, enqueued_at, message: kept, completions } = (await broker.record(id)) ?? {};
      assert.deepEqual([state, enqueued_at, kept, completions], ["done", since, message, 1], id);
    }
  },
);

sentence("a task that was queued again while it ran, and ends twice in one batch, tells both", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("one")]);
  const first = await claimOne(broker, stage.signal);
  await redis().xadd(STREAM, "*", "message", first.raw ?? "");
  const second = await claimOne(broker, stage.signal);
  assert.deepEqual(await broker.complete([done(first), done(second)]), ["recorded", "recorded"]);
  const { state, completions, message } = (await broker.record("one")) ?? {};
  assert.deepEqual([state, completions, message], ["done", 2, first.raw]);
  assert.deepEqual(await broker.backlog(), { pending: 0, lag: 0 });
});

/** A record as versions before 0.2 wrote it. */
async function old(id: string, fields: Record<string, string | number>): Promise<void> {
  const { message } = task(id);
  const common = { id, type: "noop", queue: QUEUE, priority: 0, message, retention: 60_000, stream: STREAM };
  const rest = { entry: "", due_at: "", enqueued_at: 1_700_000_000_000 };
  await redis().hset(recordKey(id), { ...common, ...rest, ...fields });
}

async function oldQueued(id: string): Promise<void> {
  const entry = await redis().xadd(STREAM, "*", "message", task(id).message);
  await old(id, { state: "queued", entry: String(entry) });
}

sentence("records of an older version tell what they told", async (stage) => {
  const broker = await stage.open("a");
  await old("done", { state: "done", end: "2 1700000000100 1700000000200 some executor", result: '{"a":1}' });
  const end = { state: "done", attempt: 1, executor: "x", started_at: 5, finished_at: 7, progress: 1, completions: 1 };
  await old("told", { ...end, progress_msg: "half way" });
  const error = JSON.stringify({ name: "Error", message: "no" });
  const first = JSON.stringify({ attempt: 1, at: 5, executor: "x", name: "Error", message: "no" });
  await old("dead", {
    state: "dead",
    attempt: 1,
    progress: -1,
    reason: "out",
    error,
    "error:1": first,
    finished_at: 9,
  });
  await oldQueued("waits");
  const [doneRecord, told, deadRecord, waits] = await Promise.all(
    ["done", "told", "dead", "waits"].map((id) => broker.record(id)),
  );
  const of = (record: typeof doneRecord) =>
    [record?.state, record?.attempt, record?.executor, record?.started_at, record?.finished_at] as const;
  assert.deepEqual(of(doneRecord), ["done", 2, "some executor", 1_700_000_000_100, 1_700_000_000_200]);
  assert.deepEqual([doneRecord?.result, doneRecord?.completions, doneRecord?.progress], [{ a: 1 }, 1, 1]);
  assert.deepEqual(of(told), ["done", 1, "x", 5, 7]);
  assert.deepEqual([told?.progress_msg, told?.completions], ["half way", 1]);
  assert.deepEqual([deadRecord?.reason, deadRecord?.errors.length, deadRecord?.error?.message], ["out", 1, "no"]);
  assert.deepEqual(
    [waits?.state, waits?.message, waits?.enqueued_at],
    ["queued", task("waits").message, 1_700_000_000_000],
  );
});

sentence("tasks that an older version enqueued end, retry and are found as any other", async (stage) => {
  const broker = await stage.open("a");
  for (const id of ["plain", "told", "fails", "retries", "cancelled", "again"]) await oldQueued(id);
  assert.equal((await broker.enqueue([task("plain")]))[0]?.created, false);
  assert.deepEqual(await broker.cancel(["cancelled"]), [{ id: "cancelled", state: "queued" }]);
  const claim = () => claimOne(broker, stage.signal);
  const kept = { retentionMs: 60_000 };
  const ends = [
    done(await claim(), { ...kept, result: "1" }),
    done(await claim(), { ...kept, told: { progress: 1, log: "x" } }),
    dead(await claim()),
    retry(await claim(), { delayMs: 0 }),
  ];
  assert.deepEqual(
    await broker.complete(ends),
    ends.map(() => "recorded"),
  );
  const states = ["done", "done", "dead", "retrying", "cancelled", "queued"];
  const ids = ["plain", "told", "fails", "retries", "cancelled", "again"];
  for (const [index, id] of ids.entries()) {
    const record = await broker.record(id);
    assert.deepEqual([id, record?.state, record?.enqueued_at], [id, states[index], 1_700_000_000_000]);
    assert.equal(await redis().type(recordKey(id)), id === "again" ? "hash" : "string");
  }
  assert.equal((await broker.record("plain"))?.completions, 1);
  await eventually(15_000, async () => (await broker.promote(10)).promoted === 1);
  assert.equal((await broker.retry(["fails"]))[0]?.retried, true);
  assert.equal((await broker.retry(["cancelled"]))[0]?.retried, true);
  assert.deepEqual((await broker.list({ limit: 10, state: "done" })).tasks.map(({ id }) => id).sort(), [
    "plain",
    "told",
  ]);
  assert.equal(await broker.purge({ state: "done" }, 10), 2);
});

sentence("a scheduled task of an older version is queued when it is due, with its message", async (stage) => {
  const broker = await stage.open("a");
  await old("due", { state: "scheduled", due_at: 5 });
  await redis().zadd(scheduledKey(QUEUE), 5, "due");
  assert.equal((await broker.promote(10)).promoted, 1);
  assert.equal((await claimOne(broker, stage.signal)).raw, task("due").message);
});
