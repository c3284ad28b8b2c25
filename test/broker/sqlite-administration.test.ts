import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NEW_STATE } from "../../src/broker/schedule-text.ts";
import { PARKED, SCHEMA_VERSION } from "../../src/broker/sqlite/file/schema.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite-broker.ts";
import { runtime } from "../../src/runtime/index.ts";
import { claimAll, claimOne, dead, done, idOf, retry, task, tasks } from "../stage/outcomes.ts";
import { countOf, LEASE_MS, type MakeHarness, NOTHING, reclaimAll, sentences } from "../stage/sentences.ts";
import { storedSchedules } from "../stage/stored-schedules.ts";
import { eventually } from "../stage/until.ts";

let path = "";

const makeHarness: MakeHarness = async () => {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-administration-"));
  path = `${folder}/tasks.db`;
  return {
    make: (options) => new SqliteBroker(`sqlite:${path}`, options),
    end: () => rm(folder, { recursive: true }),
  };
};

const sentence = sentences("sqlite", makeHarness);

/** Asks the file itself, past the broker. */
function ask(sql: string, file = path) {
  const db = runtime.openDatabase(file);
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

function change(sql: string): void {
  const db = runtime.openDatabase(path);
  db.exec(sql);
  db.close();
}

const parkedInFile = () => Number(ask(`SELECT count(*) AS n FROM tasks WHERE state = ${PARKED}`)[0]?.n);
const SCHEMA = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name";
/** What a file had before the errors of all attempts. */
const BACK_TO_FORMAT_3 = `DROP TABLE orders; DROP TABLE audit; DROP TABLE on_cancelled; DROP TABLE log_sizes;
  DROP TABLE log_totals;
  DROP INDEX schedules_due; DROP INDEX schedules_put; ALTER TABLE schedules DROP COLUMN look_at;
  ALTER TABLE schedules DROP COLUMN put; ALTER TABLE tasks DROP COLUMN result_omitted;
  ALTER TABLE tasks DROP COLUMN errors; ALTER TABLE tasks DROP COLUMN times;
  PRAGMA user_version = 3;`;
/** What a file had before lists, pauses, schedules, logs and unique keys. */
const BACK_TO_FORMAT_1 = `${BACK_TO_FORMAT_3} DROP INDEX tasks_listed; DROP INDEX tasks_parked;
  DROP TABLE paused; DROP TABLE schedules;
  DROP TABLE logs; DROP TABLE uniques; PRAGMA user_version = 1`;

sentence("a file of the format before is upgraded where it stands, with the tasks in it", async (stage) => {
  const before = await stage.open("a");
  await before.enqueue([task("dead"), task("waits"), task("sleeps", { delayMs: 60_000 })]);
  await before.complete([dead(await claimOne(before, stage.signal))]);
  const fresh = ask(SCHEMA);
  await before.close();
  change(BACK_TO_FORMAT_1);

  const after = await stage.open("b");
  assert.deepEqual(ask(SCHEMA), fresh, "an upgraded file and a new one are the same");
  assert.equal(ask("PRAGMA user_version")[0]?.user_version, SCHEMA_VERSION);
  assert.equal(ask("PRAGMA integrity_check")[0]?.integrity_check, "ok");
  const listed = (await after.list({ limit: 10 })).tasks.map(({ id, state }) => [id, state]);
  assert.deepEqual(listed, [
    ["waits", "queued"],
    ["sleeps", "scheduled"],
    ["dead", "dead"],
  ]);
  assert.deepEqual(await after.retry(["dead"]), [{ id: "dead", state: "dead", retried: true }]);
  assert.deepEqual((await claimAll(after, 2, stage.signal)).map(idOf), ["waits", "dead"]);
  assert.deepEqual(await countOf(after), { ...NOTHING, running: 2, scheduled: 1 });
});

/** What a file had while a schedule was a row of columns. */
const BACK_TO_FORMAT_2 = `${BACK_TO_FORMAT_3} DROP TABLE schedules;
  CREATE TABLE schedules(name TEXT PRIMARY KEY, cron TEXT NOT NULL,
  timezone TEXT, type TEXT NOT NULL, queue TEXT NOT NULL, priority INTEGER NOT NULL, payload TEXT NOT NULL,
  retention_ms INTEGER NOT NULL, next_at INTEGER, last_at INTEGER) STRICT; PRAGMA user_version = 2;
  INSERT INTO schedules VALUES('old', '@hourly', 'Asia/Tokyo', 'report', 'te', 1, '{"a":"b"}', 5000, 123, 100),
  ('over', '0 0 1 1 *', NULL, 'report', 'te', 0, 'null', 0, NULL, NULL)`;

sentence("schedules of a file of the format before are read and go on", async (stage) => {
  const fresh = await stage.open("a");
  await fresh.close();
  change(BACK_TO_FORMAT_2);
  const broker = await stage.open("b");
  const [old, over] = await storedSchedules(broker);
  assert.ok(old && over);
  const { revision, ...rest } = old;
  assert.deepEqual(rest, {
    ...{ name: "old", cron: "@hourly", timezone: "Asia/Tokyo", type: "report", payload: '{"a":"b"}' },
    ...{ options: { queue: "te", priority: 1, retentionMs: 5_000 }, defaults: null, overlap: null, retentionMs: 5_000 },
    ...{ ...NEW_STATE, nextAt: 123, lastAt: 100 },
  });
  assert.deepEqual([over.nextAt, over.lastAt, over.timezone], [null, null, null]);
  const state = { ...NEW_STATE, nextAt: 456, lastAt: 123 };
  assert.deepEqual(await broker.changeSchedule({ name: "old", revision, state }), { changed: true, receipt: null });
  assert.deepEqual(await broker.changeSchedule({ name: "old", revision, state }), { changed: false });
  const after = await broker.schedule("old");
  assert.deepEqual([after?.nextAt, after?.lastAt, after?.payload], [456, 123, '{"a":"b"}']);
});

sentence("claims walk past thousands of a paused type once, and resume gives them their old places", async (stage) => {
  const broker = await stage.open("a");
  const slow = tasks(3000).map(({ id }) => task(id, { type: "slow" }));
  for (let at = 0; at < slow.length; at += 1000) await broker.enqueue(slow.slice(at, at + 1000));
  await broker.enqueue([task("between"), task("behind", { type: "slow" })]);
  await broker.pause({ kind: "type", name: "slow" });
  assert.equal(idOf(await claimOne(broker, stage.signal)), "between");
  assert.ok(parkedInFile() >= 3000);
  assert.deepEqual(await countOf(broker), { ...NOTHING, queued: 3001, running: 1 });
  await broker.resume({ kind: "type", name: "slow" });
  assert.equal(parkedInFile(), 0);
  assert.deepEqual((await claimAll(broker, 3001, stage.signal)).map(idOf), [...slow.map(({ id }) => id), "behind"]);
});

sentence("a resume whose process died is finished by the next promote, unless it was paused again", async (stage) => {
  const broker = await stage.open("a");
  await broker.pause({ kind: "type", name: "slow" });
  await broker.enqueue([task("one", { type: "slow" }), task("other")]);
  await claimOne(broker, stage.signal);
  assert.equal(parkedInFile(), 1);
  change("UPDATE paused SET resuming = 1");
  await broker.pause({ kind: "type", name: "slow" });
  await broker.promote(10);
  assert.equal(parkedInFile(), 1);
  change("UPDATE paused SET resuming = 1");
  assert.deepEqual(await broker.paused(), []);
  await broker.promote(10);
  assert.equal(idOf(await claimOne(broker, stage.signal)), "one");
  assert.deepEqual(ask("SELECT * FROM paused"), []);
});

sentence(
  "what died with its executor while its type was paused is delivered once more, and keeps its attempt",
  async (stage) => {
    const broker = await stage.open("b", { leaseMs: LEASE_MS });
    const dying = await stage.open("a", { leaseMs: 1 });
    await dying.enqueue([task("one", { type: "slow" }), task("two")]);
    await claimAll(dying, 2, stage.signal);
    await broker.pause({ kind: "type", name: "slow" });
    assert.deepEqual((await reclaimAll(broker, 1)).map(idOf), ["two"]);
    const record = await broker.record("one");
    assert.deepEqual([record?.state, record?.attempt, record?.crashes], ["queued", 0, 0]);
    await broker.resume({ kind: "type", name: "slow" });
    assert.equal((await claimOne(broker, stage.signal)).deliveries, 2);
  },
);

sentence(
  "a key whose holder ended without freeing it is free, and one whose time is over is forgotten",
  async (stage) => {
    const broker = await stage.open("a");
    await broker.enqueue([
      task("one", { unique: { key: "k", ttlMs: null } }),
      task("two", { unique: { key: "short", ttlMs: 1 } }),
      task("three", { unique: { key: "long", ttlMs: 60_000 } }),
    ]);
    await broker.complete([done(await claimOne(broker, stage.signal), { uniqueKey: null })]);
    assert.equal((await broker.enqueue([task("four", { unique: { key: "k", ttlMs: null } })]))[0]?.created, true);
    const keys = () => ask("SELECT key FROM uniques ORDER BY key").map(({ key }) => key);
    await eventually(15_000, async () => {
      await broker.clean();
      return keys().length === 2;
    });
    assert.deepEqual(keys(), ["k", "long"]);
    await assert.rejects(broker.enqueue([task("five", { unique: { key: "k", ttlMs: 0 } })]), RangeError);
  },
);

sentence("no line of a log outlives its task", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("expires", { retentionMs: 1 }), task("cancelled", { retentionMs: 0 })]);
  const lines = [{ at: 1, level: "info", text: "hello" }] as const;
  await broker.appendLogs(["expires", "cancelled", "nobody"].map((id) => ({ id, queue: "te", lines })));
  assert.equal(ask("SELECT * FROM logs").length, 2);
  await broker.complete([done(await claimOne(broker, stage.signal), { retentionMs: 1 })]);
  await broker.cancel(["cancelled"]);
  await eventually(15_000, async () => {
    await broker.clean();
    return ask("SELECT * FROM logs").length === 0;
  });
});

sentence("a task cancelled while a later attempt waited begins again from its first", async (stage) => {
  const broker = await stage.open("a");
  await broker.enqueue([task("one")]);
  await broker.complete([retry(await claimOne(broker, stage.signal))]);
  await eventually(15_000, async () => (await broker.promote(10)).promoted === 1);
  await broker.cancel(["one"]);
  assert.deepEqual(await broker.retry(["one"]), [{ id: "one", state: "cancelled", retried: true }]);
  await broker.enqueue([task("last")]);
  const claimed = await claimAll(broker, 2, stage.signal);
  assert.deepEqual(claimed.map(idOf), ["one", "last"]);
  assert.doesNotMatch(claimed[0]?.raw ?? "", /attempt/);
  await broker.complete(claimed.map((delivery) => done(delivery)));
  assert.deepEqual(await countOf(broker), { ...NOTHING, done: 2 });
});
