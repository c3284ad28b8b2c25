/** Many cancels and retries at once over Redis: few questions, each bounded, with the answers in order. */
import assert from "node:assert/strict";
import { recordKey, streamKey } from "../../src/broker/redis/keys.ts";
import { LONGEST_COPY } from "../../src/broker/redis/records/codec.ts";
import { RECORDS } from "../../src/broker/redis/records/record-lua.ts";
import { runScript, script } from "../../src/broker/redis/scripts/lua.ts";
import { cancelMatching, retryMatching, total } from "../../src/operations/changes/bulk.ts";
import { claimAll, done, idOf, parked, QUEUE, task, tasks } from "../stage/outcomes.ts";
import { countOf, NOTHING } from "../stage/sentences.ts";
import { redisSentences } from "./redis-sentences.ts";

const { sentence, redis } = redisSentences();

async function scriptCalls(): Promise<number> {
  const stats = await redis().info("commandstats");
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

sentence(
  "a thousand tasks are cancelled, and queued again, in some ten scripts, each told as it was",
  async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([task("ended"), task("runs")]);
    const held = await claimAll(broker, 2, stage.signal);
    await broker.complete(held.filter((one) => idOf(one) === "ended").map((one) => done(one)));
    await broker.enqueue([...tasks(996, "waits"), task("sleeps", { delayMs: 60_000 })]);
    const ids = ["ended", "runs", "unknown", "sleeps", ...tasks(996, "waits").map(({ id }) => id)];
    const expected = ["done", "running", null, "scheduled", ...Array(996).fill("queued")];
    // Known to Redis by their hashes from then on.
    await broker.cancel(["nobody"]);
    await broker.retry(["nobody"]);
    await redis().config("RESETSTAT");
    assert.deepEqual(
      await broker.cancel(ids),
      ids.map((id, index) => ({ id, state: expected[index] })),
    );
    const cancelling = await scriptCalls();
    assert.ok(cancelling <= 20, `${cancelling} scripts`);
    const retried = await broker.retry(ids);
    assert.ok((await scriptCalls()) - cancelling <= 20, "and so are retries");
    assert.deepEqual(
      retried.map(({ id }) => id),
      ids,
    );
    assert.deepEqual(retried.slice(0, 4), [
      { id: "ended", state: "done", retried: false },
      { id: "runs", state: "queued", retried: false },
      { id: "unknown", state: null, retried: false },
      { id: "sleeps", state: "cancelled", retried: true },
    ]);
    assert.ok(retried.slice(4).every(({ state, retried: again }) => state === "cancelled" && again));
    assert.deepEqual(await broker.cancelled(ids), ["runs", "unknown"]);
  },
);

sentence("a cancel and a retry of all that match read no record whole, and miss none", async (stage) => {
  const broker = await stage.open("a");
  const sleeping = tasks(1_500, "sleeps").map((one) => ({ ...one, delayMs: 60_000 }));
  for (const some of [tasks(1_000, "waits"), sleeping.slice(0, 750), sleeping.slice(750)]) await broker.enqueue(some);
  await broker.enqueue([task("other", { type: "other" })]);
  await redis().config("RESETSTAT");
  assert.equal(await total(cancelMatching(broker, { type: "noop" })), 2_500);
  assert.equal(await total(retryMatching(broker, { type: "noop", state: "cancelled" })), 2_500);
  assert.doesNotMatch(await redis().info("commandstats"), /cmdstat_hgetall/);
  assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 2_501 });
});

sentence("a cancel of all that match finds messages of others, and no task of another type", async (stage) => {
  const broker = await stage.open("a");
  const stream = streamKey(QUEUE, 0);
  const messages = {
    "a foreign one": { message: '{"task_type":"noop","id":"a foreign one"}', is: true },
    'with "quotes"': { message: JSON.stringify({ id: 'with "quotes"', task_type: "noop", payload: 1 }), is: true },
    nested: { message: '{"id":"nested","task_type":"other","payload":{"task_type":"noop"}}', is: false },
    ours: { message: '{"id":"ours","task_type":"noop","payload":1}', is: true },
    untyped: { message: '{"id":"untyped"}', is: false },
  };
  for (const { message } of Object.values(messages)) await redis().xadd(stream, "*", "message", message);
  await redis().xadd(stream, "*", "message", '{"id":"two fields","task_type":"noop","payload":1}', "and", "more");
  await redis().xadd(stream, "*", "message", "no JSON, noop");
  const found = await broker.list({ state: "queued", type: "noop", limit: 10, brief: true });
  const expected = Object.entries(messages).flatMap(([id, { is }]) => (is ? [id] : []));
  assert.deepEqual(
    found.tasks.map(({ id, type, state, queue }) => [id, type, state, queue]),
    expected.map((id) => [id, "noop", "queued", QUEUE]),
  );
  assert.equal(await total(cancelMatching(broker, { type: "noop" })), expected.length);
  assert.deepEqual(new Set(await broker.cancelled(Object.keys(messages))), new Set(expected));
});

sentence("what is queued is cancelled as it is found, wherever and however it waits, and told once", async (stage) => {
  const broker = await stage.open("a");
  // What runs, what is parked, what is urgent, what has no record, an id whose flag has a name of its own.
  await broker.enqueue([task("runs"), task("runs without a record", { retentionMs: 0 })]);
  await claimAll(broker, 2, stage.signal);
  await broker.pause({ kind: "type", name: "aside" });
  await broker.enqueue(tasks(300, "parked").map((one) => task(one.id, { type: "aside" })));
  await broker.complete((await claimAll(broker, 300, stage.signal)).map((one) => parked(one)));
  const waiting = [
    task("urgent", { priority: 1 }),
    task("bare", { retentionMs: 0 }),
    task("taskexe:odd"),
    task("held"),
  ];
  await broker.enqueue([...waiting, task("other", { type: "other" }), ...tasks(250, "waits")]);
  await redis().rpush("held-cancel", "a list");
  const many = broker.many;
  assert.ok(many !== undefined);
  await assert.rejects(total(many.cancelQueued({ type: "noop" })), /held-cancel/, "what is no flag is told, and stays");
  assert.equal(await redis().type("held-cancel"), "list");
  await redis().del("held-cancel");
  const before = (await countOf(broker)).cancelled ?? 0;
  assert.ok(before > 0, "what came before it is cancelled");
  const rest = await total(cancelMatching(broker, { type: "noop" }));
  assert.equal(await total(cancelMatching(broker, { type: "aside" })), 300);
  assert.equal((await countOf(broker)).queued, 2, "that of the other type, and the one without a record");
  assert.equal((await countOf(broker)).cancelled, 300 + 250 + 3, "and those that ran or had no record end later");
  assert.equal(before + rest, 250 + 3 + 3, `${before}, then ${rest}`);
  assert.equal(await redis().exists("taskexe:flag:taskexe:odd", "bare-cancel", "urgent-cancel"), 3);
  assert.deepEqual(await broker.cancelled(["runs", "bare", "other"]), ["runs", "bare"]);
});

sentence("what was cancelled in line is queued again as it is found; what came later is not", async (stage) => {
  const broker = await stage.open("a");
  const all = [...tasks(230, "waits"), task("other", { type: "other" }), task("bare", { retentionMs: 0 })];
  await broker.enqueue([...all, task("later"), task("sleeps", { delayMs: 60_000 })]);
  await broker.cancel([...all, { id: "sleeps" }].map(({ id }) => id));
  await redis().del("waits1-cancel");
  const { many } = broker;
  assert.ok(many !== undefined);
  const queued: string[] = [];
  let isFirst = true;
  for await (const ids of many.requeueCancelled({ type: "noop" })) {
    queued.push(...ids);
    if (isFirst) await broker.cancel(["later"]);
    isFirst = false;
  }
  assert.deepEqual(new Set(queued), new Set(tasks(230, "waits").map(({ id }) => id)));
  assert.equal(queued.length, 230);
  assert.deepEqual(await broker.cancelled(queued), []);
  const left = await total(retryMatching(broker, { state: "cancelled" }));
  assert.equal(left, 4, "the later one, the sleeping one, that of the other type, the one that keeps no record");
  assert.equal((await countOf(broker)).queued, 230 + 4);
});

/** KEYS record -> the same, read and packed field by field. */
const PACK_ANEW = script(
  `${RECORDS}
local r = readRecord(KEYS[1])
messages, shortEntries, shortTimes = {}, {}, {}
return r and packRecord(KEYS[1], r)`,
  1,
);

sentence("what is cancelled and retried together lies as if each record were packed anew", async (stage) => {
  const broker = await stage.open("a");
  const kinds = [
    task("plain"),
    task("plain too"),
    task("typed", { type: "a type of 36 characters, or a few more" }),
    task("ü-日本", { type: "ü" }),
    task("urgent", { priority: 1 }),
    task("foreign", { message: '{"task_type":"noop","id":"foreign","n":1}' }),
    task("no json", { message: "no json" }),
    task("long", { message: `{"id":"long","task_type":"noop","payload":"${"ä".repeat(LONGEST_COPY)}"}` }),
    task("odd retention", { retentionMs: 123_457 }),
    task("unkept", { retentionMs: 0 }),
    task("unique", { unique: { key: "k", ttlMs: null } }),
    task("unique for a time", { unique: { key: "t", ttlMs: 60_000 } }),
    task("plain again"),
  ];
  const all = kinds.flatMap((one) => [one, { ...one, id: `${one.id} later`, delayMs: 60_000 }]);
  const ours = all.map((one) => {
    const { id, unique } = one;
    const message = one.message.replace(/"id":"[^"]*"/, `"id":"${id}"`);
    return { ...one, message, ...(unique ? { unique: { ...unique, key: `${unique.key} ${id}` } } : {}) };
  });
  await broker.enqueue(ours);
  const since = new Map<string, number | null | undefined>();
  for (const { id } of ours) since.set(id, (await broker.record(id))?.enqueued_at);
  const ids = ours.map(({ id }) => id);
  const check = async (state: string): Promise<void> => {
    for (const { id, message, type, priority } of ours) {
      const packed = await redis().get(recordKey(id));
      assert.equal(await runScript(redis(), PACK_ANEW, recordKey(id)), packed, `${state} ${id}`);
      const told = await broker.record(id);
      // Of a task that keeps none, a cancel alone makes a record, and a retry takes it away.
      if (told === null || id === "unkept") continue;
      const { enqueued_at, message: kept, type: kind, priority: urgency, state: is } = told;
      const expected = [state, type, priority, message, since.get(id)];
      assert.deepEqual([is, kind, urgency, kept, state === "queued" ? since.get(id) : enqueued_at], expected, id);
    }
  };
  const kept = ids.filter((id) => id !== "unkept");
  assert.deepEqual(
    (await broker.cancel([...kept, "plain"])).map(({ state }) => state),
    [...kept.map((id) => (id.endsWith(" later") ? "scheduled" : "queued")), "cancelled"],
  );
  assert.equal((await broker.cancel(["unkept"]))[0]?.state, "queued", "it is found in its stream");
  await check("cancelled");
  assert.equal((await broker.retry(["unkept"]))[0]?.retried, true);
  assert.equal(await broker.record("unkept"), null);
  const again = await broker.retry([...kept, "plain"]);
  assert.ok(again.slice(0, -1).every(({ retried }) => retried));
  assert.deepEqual(again.at(-1), { id: "plain", state: "queued", retried: false });
  await check("queued");
  // Where they are changed as they are found it is no other; one that says no id is found by nobody.
  await total(cancelMatching(broker, {}));
  await broker.cancel(["no json", "no json later"]);
  await check("cancelled");
  await total(retryMatching(broker, { state: "cancelled" }));
  await check("queued");
});

sentence(
  "what comes due together is queued with its message, and lies as if each record were packed anew",
  async (s) => {
    const broker = await s.open("a");
    const all = [...tasks(5), task("typed", { type: "other" }), task("urgent", { priority: 1 })].concat(
      task("long", { message: `{"id":"long","task_type":"noop","payload":"${"ä".repeat(LONGEST_COPY)}"}` }),
      task("foreign", { message: '{"task_type":"noop","id":"foreign","n":1}' }),
      task("unique", { unique: { key: "k", ttlMs: null } }),
    );
    await broker.enqueue(all.map((one) => ({ ...one, delayMs: 1 })));
    let promoted = 0;
    while (promoted < all.length) promoted += (await broker.promote(4)).promoted;
    for (const { id, message } of all) {
      const packed = await redis().get(recordKey(id));
      assert.equal(await runScript(redis(), PACK_ANEW, recordKey(id)), packed, id);
      const told = await broker.record(id);
      assert.deepEqual([told?.state, told?.message], ["queued", message], id);
    }
    const claimed = await claimAll(broker, all.length, s.signal);
    assert.deepEqual(new Set(claimed.map(({ raw }) => raw)), new Set(all.map(({ message }) => message)));
  },
);
