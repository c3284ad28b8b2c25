/**
 * The contract of all brokers, over SQLite, and what holds of its file alone.
 * @long about 30 s
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { STATE } from "../../src/broker/sqlite/file/schema.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite-broker.ts";
import { sleep } from "../../src/concurrency/index.ts";
import { runtime } from "../../src/runtime/index.ts";
import { TASK_STATES } from "../../src/task/state.ts";
import { cancelledBy, claimAll, claimOne, dead, done, idOf, QUEUE, retry, task, tasks } from "../stage/outcomes.ts";
import { countsOf, type MakeHarness, sentences } from "../stage/sentences.ts";
import { eventually } from "../stage/until.ts";
import { brokerContract } from "./contract.ts";

let path = "";

const makeHarness: MakeHarness = async () => {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-sqlite-"));
  path = `${folder}/queue/tasks.db`;
  return {
    make: (options) => new SqliteBroker(`sqlite:${path}`, options),
    end: () => rm(folder, { recursive: true }),
  };
};

brokerContract("sqlite", makeHarness);

const sentence = sentences("sqlite", makeHarness);

/** Asks the file itself, past the broker. */
function ask(sql: string) {
  const db = runtime.openDatabase(path);
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

sentence("the order over several queues is one: urgent first, then by age", async (stage) => {
  const broker = await stage.open("a", { queues: ["one", "two", "three"] });
  const rows = [
    ["one", 0],
    ["two", 1],
    ["three", 0],
    ["one", 1],
    ["two", 0],
    ["unserved", 1],
  ] as const;
  await broker.enqueue(rows.map(([queue, priority], index) => task(`${index}`, { queue, priority })));
  const order: string[] = [];
  for (let i = 0; i < 5; i += 1) order.push(idOf(await claimOne(broker, stage.signal)));
  assert.deepEqual(order, ["1", "3", "0", "2", "4"]);
});

sentence("a released task is the first again, a retried one the last", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue(tasks(4));
  const [first, second] = await claimAll(broker, 2, stage.signal);
  assert.ok(first && second);
  await broker.complete([retry(first)]);
  await broker.release([second]);
  await eventually(15_000, async () => (await broker.promote(10)).promoted === 1);
  assert.deepEqual((await claimAll(broker, 4, stage.signal)).map(idOf), ["t1", "t2", "t3", "t0"]);
});

sentence("a task without retention is known by its id while it waits and runs", async (stage) => {
  const broker = await stage.open("a");
  const fleeting = task("one", { retentionMs: 0 });
  await broker.enqueue([fleeting]);
  assert.deepEqual(await broker.enqueue([fleeting]), [{ id: "one", created: false, state: "queued" }]);
  assert.equal((await broker.record("one"))?.state, "queued");
  const delivery = await claimOne(broker, stage.signal);
  assert.deepEqual(await broker.enqueue([fleeting]), [{ id: "one", created: false, state: "running" }]);
  await broker.complete([retry(delivery, { delayMs: 60_000, retentionMs: 0 })]);
  assert.deepEqual(await broker.enqueue([fleeting]), [{ id: "one", created: false, state: "retrying" }]);
  assert.deepEqual(await broker.cancel(["one"]), [{ id: "one", state: "retrying" }]);
  assert.equal(await broker.record("one"), null);
});

sentence("a record is gone once its retention is over", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("short"), task("long"), task("waiting", { retentionMs: 300 })]);
  const [short, long] = await claimAll(broker, 2, stage.signal);
  assert.ok(short && long);
  await broker.complete([done(short, { retentionMs: 300 }), done(long)]);
  await broker.cancel(["waiting"]);
  assert.equal((await broker.record("short"))?.state, "done");
  assert.equal((await broker.record("waiting"))?.state, "cancelled");
  let purged = 0;
  await eventually(15_000, async () => {
    purged += (await broker.clean()).purged;
    return purged === 2;
  });
  assert.equal(await broker.record("short"), null);
  assert.equal(await broker.record("waiting"), null);
  assert.equal((await broker.record("long"))?.state, "done");
  assert.equal((await broker.enqueue([task("short")]))[0]?.created, true);
});

sentence("a cancel flag is gone once its task has ended", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("one", { retentionMs: 0 })]);
  const delivery = await claimOne(broker, stage.signal);
  await broker.cancel(["one"]);
  assert.deepEqual(await broker.cancelled(["one"]), ["one"]);
  await broker.complete([cancelledBy(delivery, { retentionMs: 0 })]);
  assert.deepEqual(await broker.cancelled(["one"]), []);
  await broker.enqueue([task("one")]);
  assert.equal((await claimOne(broker, stage.signal)).mayBeCancelled, false);
});

sentence("a flag for an unknown id is forgotten after an hour, but not while such a task waits", async (stage) => {
  const broker = await stage.open("a");
  await broker.cancel(["never", "waits"]);
  await broker.enqueue([task("waits")]);
  ask("UPDATE cancels SET at = at - 3600001");
  assert.deepEqual(await broker.cancelled(["never", "waits"]), ["waits"]);
  await broker.enqueue([task("never")]);
  assert.deepEqual(await broker.cancelled(["never"]), []);
  assert.deepEqual(
    ask("SELECT id FROM cancels").map(({ id }) => id),
    ["waits"],
  );
});

sentence("a task that was flagged before it came leaves no flag once it is cancelled in the queue", async (stage) => {
  const broker = await stage.open("a");
  await broker.cancel(["one"]);
  await broker.enqueue([task("one", { retentionMs: 0 })]);
  assert.deepEqual(await broker.cancel(["one"]), [{ id: "one", state: "queued" }]);
  assert.deepEqual(await broker.cancelled(["one"]), []);
  assert.equal((await broker.enqueue([task("one")]))[0]?.created, true);
  assert.equal((await claimOne(broker, stage.signal)).mayBeCancelled, false);
});

sentence("an executor that stalled keeps its expired lease as long as nobody else has taken it", async (stage) => {
  const broker = await stage.open("a", { leaseMs: 30 });
  await broker.enqueue([task("one")]);
  const delivery = await claimOne(broker, stage.signal);
  await sleep(60, stage.signal);
  assert.deepEqual(await broker.reclaim(10), [], "it would run its own task a second time");
  assert.deepEqual(await broker.renew([delivery]), []);
  assert.deepEqual(await broker.complete([done(delivery)]), ["recorded"]);
});

sentence("only beats that were due stay in the series", async (stage) => {
  const broker = await stage.open("a");
  await broker.beat('{"n":1}');
  for (const n of [2, 3, 4]) await broker.beat(`{"n":${n}}`, false);
  assert.deepEqual(
    ask("SELECT json FROM beats ORDER BY at, rowid").map(({ json }) => json),
    ['{"n":1}', '{"n":4}'],
  );
  await broker.beat('{"n":5}');
  await broker.beat('{"n":6}', false);
  await broker.leave('{"n":7}');
  assert.deepEqual(
    ask("SELECT json FROM beats ORDER BY at, rowid").map(({ json }) => json),
    ['{"n":1}', '{"n":5}', '{"n":7}'],
  );
});

sentence("beats older than half an hour are trimmed, and a lock older than a minute is free", async (stage) => {
  const [a, b] = [await stage.open("a"), await stage.open("b")];
  await a.beat('{"old":true}');
  assert.equal(await a.lock(), true);
  ask("UPDATE beats SET at = at - 1800001");
  ask("UPDATE locks SET until = until - 60001");
  await b.beat("{}");
  assert.equal(await b.lock(), true);
  assert.deepEqual((await b.clean()).removed, ["a"]);
  assert.equal(ask("SELECT count(*) AS n FROM beats")[0]?.n, 1);
});

sentence("the books agree with the tasks, whatever was done", async (stage) => {
  const brokers = [await stage.open("a"), await stage.open("b", { leaseMs: 1 })];
  for (let round = 0; round < 60; round += 1) {
    const broker = brokers[round % 2];
    assert.ok(broker);
    const retentionMs = round % 3 === 0 ? 0 : 1 + (round % 5) * 60_000;
    await broker.enqueue(tasks(7, `r${round}-`).map((one, i) => ({ ...one, retentionMs, delayMs: i === 6 ? 1 : 0 })));
    const held = await claimAll(broker, 5, stage.signal);
    const [first, second, third, fourth, fifth] = held;
    assert.ok(first && second && third && fourth && fifth);
    const also = { retentionMs };
    await broker.release([fifth]);
    await broker.complete([done(first, also), retry(second, also), dead(third, also), cancelledBy(fourth, also)]);
    await broker.cancel([`r${round}-5`, `r${round}-6`, `r${round}-0`]);
    await broker.promote(3);
    await brokers[0]?.reclaim(2);
    if (round % 10 === 9) await broker.clean();
  }
  const counted = ask("SELECT queue, state, count(*) AS n FROM tasks GROUP BY queue, state ORDER BY state");
  const books = ask("SELECT queue, state, n FROM counts WHERE n <> 0 ORDER BY state");
  assert.deepEqual(books, counted);
  assert.ok(counted.length >= 4, "most states were met");
});

sentence("the index of ids is swept, and whoever is still there is still found", async (stage) => {
  const broker = await stage.open("a");
  const ids = () => Number(ask("SELECT count(*) AS n FROM ids")[0]?.n);
  await broker.enqueue([task("survivor", { delayMs: 3_600_000 }), task("kept")]);
  for (let batch = 0; batch < 80; batch += 1) {
    await broker.enqueue(tasks(1000, `b${batch}-`).map((one) => ({ ...one, retentionMs: 0, priority: 1 })));
    const held = await claimAll(broker, 1000, stage.signal);
    await broker.complete(held.map((delivery) => done(delivery, { retentionMs: 0 })));
  }
  assert.ok(ids() < 60_000, `${ids()} entries are left of 80 002`);
  assert.equal((await broker.enqueue([task("survivor")]))[0]?.state, "scheduled");
  assert.equal((await broker.record("kept"))?.state, "queued");
  // With the last task gone, everything goes.
  await broker.complete([done(await claimOne(broker, stage.signal), { retentionMs: 0 })]);
  await broker.cancel(["survivor"]);
  await eventually(15_000, async () => (await broker.clean()).purged === 0 && ids() < 60_000);
});

sentence("a file that was large gives its space back", async (stage) => {
  const broker = await stage.open("a");
  const message = JSON.stringify({ id: "x", payload: "x".repeat(100_000) });
  for (let batch = 0; batch < 4; batch += 1) {
    await broker.enqueue(tasks(100, `b${batch}-`).map((one) => ({ ...one, message, retentionMs: 0 })));
  }
  const pages = () => Number(ask("PRAGMA page_count")[0]?.page_count);
  const before = pages();
  for (let batch = 0; batch < 4; batch += 1) {
    const held = await claimAll(broker, 100, stage.signal);
    await broker.complete(held.map((delivery) => done(delivery, { retentionMs: 0 })));
  }
  await eventually(30_000, async () => {
    await broker.clean();
    return pages() < before / 3;
  });
});

sentence("every state has its own number in the file, and they stay as they are", async () => {
  const numbers = TASK_STATES.map((state) => `${state} ${STATE[state]}`).toSorted();
  const expected = ["cancelled 6", "dead 5", "done 4", "queued 0", "retrying 3", "running 1", "scheduled 2"];
  assert.deepEqual(numbers, expected);
});

sentence("counts tell of the broker's own queues only", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("one"), task("two", { queue: "foreign" })]);
  assert.deepEqual(await countsOf(broker), [{ name: QUEUE, queued: 1, running: 0, scheduled: 0, dead: 0 }]);
});
