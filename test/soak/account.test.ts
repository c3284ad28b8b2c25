/**
 * The account of what a soak leaves behind explains what may be there, and fails for each key, row or file that may
 * not.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Redis } from "ioredis";
import type { Expected } from "../../scripts/soak/account/account.ts";
import { accountOfFolder } from "../../scripts/soak/account/files.ts";
import { accountOfRedis } from "../../scripts/soak/account/redis.ts";
import { RULES as REDIS_RULES, TYPES } from "../../scripts/soak/account/redis-rules.ts";
import { accountOfSqlite } from "../../scripts/soak/account/sqlite.ts";
import { outcomeOf, requests } from "../../scripts/soak/scale-stage.ts";
import type { Broker } from "../../src/broker/broker.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { runtime } from "../../src/runtime/index.ts";
import { type RedisServer, startRedis } from "../stage/redis/server.ts";

const HOUR_MS = 3_600_000;
const EXPECTED: Expected = {
  ...{ executors: 0, heartbeatTimeoutMs: 2_000, doneLimit: 100, cancelledLimit: 100, deadLimit: 100 },
};

let redis: RedisServer;
let direct: Redis;
let folder: string;

before(async () => {
  redis = await startRedis();
  direct = new Redis(redis.url);
  folder = await mkdtemp(join(tmpdir(), "taskexe-account-"));
});

after(async () => {
  direct.disconnect();
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Tasks that end in every way, by an executor that has left since. */
async function leaveRecords(url: string): Promise<void> {
  const broker: Broker = await createBroker(url, { executor: "gone", queues: ["common"], leaseMs: 30_000 });
  try {
    await broker.open(openRoot().signal);
    await broker.beat(JSON.stringify({ name: "gone", lease_ms: 30_000 }));
    const tasks = requests(30, { retentionMs: HOUR_MS });
    await broker.enqueue(
      tasks.map((task, at) => (at < 3 ? { ...task, unique: { key: `k${at}`, ttlMs: HOUR_MS } } : task)),
    );
    await broker.cancel(tasks.slice(20).map(({ id }) => id));
    await broker.cancel(["nobody knows it"]);
    const claimed = await broker.claim(100, openRoot().signal);
    const ids = new Set(tasks.slice(20).map(({ id }) => id));
    const ended = claimed.map((delivery, at) => {
      const outcome = outcomeOf(delivery, "done", HOUR_MS);
      if (ids.has(outcome.id)) return outcomeOf(delivery, "cancelled", HOUR_MS);
      return at % 2 === 0 ? outcome : outcomeOf(delivery, "dead", HOUR_MS);
    });
    await broker.appendLogs([
      { id: tasks[0]?.id ?? "", queue: tasks[0]?.queue ?? "", lines: [{ at: 1, level: "info", text: "it ran" }] },
    ]);
    await broker.complete(ended);
    await broker.leave(JSON.stringify({ name: "gone", lease_ms: 30_000 }));
  } finally {
    await broker.close();
  }
}

async function problemsOfRedis(): Promise<string> {
  return (await accountOfRedis(direct, EXPECTED)).problems.join("\n");
}

/** What each finds, and the words of the problem that it makes. */
const PLANTED: readonly (readonly [what: string, plant: (redis: Redis) => Promise<unknown>, told: RegExp])[] = [
  ["a key of nobody", (r) => r.set("stray", "x"), /stray: is of no kind/],
  ["a key of ours that no kind names", (r) => r.set("taskexe:something", "x"), /taskexe:something: is of no kind/],
  ["a record in no index", (r) => r.set("taskexe:task:a", "Td"), /taskexe:task:a: is done, and in no index/],
  ["a record that waits for ever", (r) => r.set("taskexe:task:b", "Tq"), /taskexe:task:b: says queued/],
  [
    "an index without its record",
    (r) => r.zadd("taskexe:done:common", "9e15", "c"),
    /names c, whose record says undefined/,
  ],
  ["a log without a record", (r) => r.rpush("taskexe:log:d", "{}"), /taskexe:log:d: the log of a task/],
  [
    "a sum that its logs do not have",
    (r) => r.hincrby("taskexe:log-sizes:common", "", 7),
    /log-sizes:common: says \d+ bytes, and its logs have/,
  ],
  [
    "a log whose size nobody counted",
    (r) => r.zadd("taskexe:log-order:common", "1", "d"),
    /log-order:common: names d, whose size nobody counted/,
  ],
  ["a cancel flag without an end", (r) => r.set("e-cancel", "x"), /e-cancel: has no end/],
  ["a lock without an end", (r) => r.set("clean_task_executor", "x"), /clean_task_executor: has no end/],
  ["a unique key of nobody", (r) => r.set("taskexe:unique:common:k", "f"), /held for ever by f, which is not there/],
  ["an entry", (r) => r.xadd("te.0.common", "*", "message", "{}"), /te.0.common: 1 entries/],
  ["another group", (r) => r.xgroup("CREATE", "te.0.common", "theirs", "$"), /has the groups .*theirs/],
  ["an executor that is gone", (r) => r.sadd("TASKEXE", "dead"), /names 1 executors/],
  ["an old mark", (r) => r.zadd("taskexe:marked-cancelled", "1", "g"), /1 marks whose time is over/],
  [
    "a mark of a task that does not wait",
    (r) => r.zadd("taskexe:waiting-cancelled:common", "9e15", "h"),
    /1 marks of waiting tasks, of which 0 wait/,
  ],
  ["a schedule's rest", (r) => r.hset("taskexe:schedule-states", "i", "{}"), /i, which is no schedule/],
  ["a key of another type", (r) => r.set("taskexe:dead:other", "x"), /taskexe:dead:other: holds a string/],
  ["a type that is parked and is not", (r) => r.sadd("taskexe:parked-types", "common:j"), /of which none is parked/],
];

test("on Redis what ended tasks and an executor that left leave behind is explained", async () => {
  await direct.flushall();
  await leaveRecords(redis.url);
  const { kinds, problems } = await accountOfRedis(direct, EXPECTED);
  assert.deepEqual(problems, []);
  const count = (name: string): number => kinds.find((kind) => kind.name === name)?.count ?? 0;
  assert.equal(count("taskexe:task:ID"), 30);
  assert.equal(count("taskexe:unique:QUEUE:KEY"), 3);
  assert.equal(count("NAME"), 1);
  assert.ok(kinds.every(({ bytes }) => bytes > 0));
});

for (const [what, plant, told] of PLANTED) {
  test(`on Redis ${what} is not explained`, async () => {
    await direct.flushall();
    await leaveRecords(redis.url);
    assert.equal(await problemsOfRedis(), "");
    await plant(direct);
    assert.match(await problemsOfRedis(), told);
  });
}

test("on Redis more records than a queue may keep are not explained", async () => {
  await direct.flushall();
  await leaveRecords(redis.url);
  const { problems } = await accountOfRedis(direct, { ...EXPECTED, cancelledLimit: 9 });
  assert.match(problems.join("\n"), /taskexe:cancelled:common: 10, more than 9/);
});

test("each rule of a Redis key says of which type such keys are", () => {
  assert.deepEqual(
    Object.keys(REDIS_RULES).filter((name) => name !== "NAME" && TYPES[name] === undefined),
    [],
  );
});

const ROWS: readonly (readonly [what: string, sql: string, told: RegExp])[] = [
  ["a table of nobody", "CREATE TABLE stray(x)", /stray: no rule explains this table/],
  [
    "a task that waits for ever",
    "UPDATE tasks SET state = 0 WHERE seq = (SELECT min(seq) FROM tasks)",
    /though all has ended/,
  ],
  ["a task whose time is over", "UPDATE tasks SET expires_at = 1", /the time of .* is over/],
  ["a task that no id finds", "DELETE FROM ids", /30 tasks are not found by their id/],
  ["a count that is not so", "UPDATE counts SET n = n + 1", /counts: common: /],
  ["a log of nobody", "INSERT INTO logs VALUES(999, 1, 1, 'info', 'x')", /lines of the task 999, which is not there/],
  ["a size of no log", "INSERT INTO log_sizes VALUES(999, 'other', 1)", /a log of the task 999, which is not there/],
  ["a sum of no logs", "UPDATE log_totals SET bytes = bytes + 7", /common: says \d+ bytes, which its logs do not have/],
  ["an old flag", "INSERT INTO cancels(id, at) VALUES('x', 1)", /1 flags whose time is over/],
  ["an executor that is gone", "INSERT INTO executors VALUES('dead')", /executors: 1 rows, more than 0/],
  ["an old beat", "INSERT INTO beats VALUES('dead', 1, '{}')", /1 are older than half an hour/],
  ["a unique key without an end", "INSERT INTO uniques VALUES('common', 'k', 999, 'x', NULL)", /uniques: held k by x/],
  ["an old unique key", "INSERT INTO uniques VALUES('common', 'k', 999, 'x', 1)", /uniques: the time of k is over/],
];

test("on SQLite what ended tasks leave behind is explained, and each row that may not be there is not", async () => {
  for (const [what, sql, told] of [["nothing", "SELECT 1", /^$/] as const, ...ROWS]) {
    const path = join(folder, `${what.replaceAll(" ", "-")}.db`);
    await leaveRecords(`sqlite:${path}`);
    assert.deepEqual(accountOfSqlite(path, EXPECTED).problems, [], what);
    const db = runtime.openDatabase(path);
    db.exec(sql);
    db.close();
    assert.match(accountOfSqlite(path, EXPECTED).problems.join("\n"), told, what);
  }
});

test("a file of no kind in a state folder is not explained, nor an eleventh snapshot", async () => {
  const state = join(folder, "state");
  await mkdir(join(state, "logs"), { recursive: true });
  await writeFile(join(state, "queue.db"), "");
  for (let n = 10; n < 20; n++) await writeFile(join(state, `logs/1_snapshot_20260101_0000${n}.heapsnapshot`), "");
  assert.deepEqual(accountOfFolder(state).problems, []);
  await writeFile(join(state, "stray"), "");
  await writeFile(join(state, "logs/1_snapshot_20260101_000020.heapsnapshot"), "");
  const text = accountOfFolder(state).problems.join("\n");
  assert.match(text, /stray: is of no kind/);
  assert.match(text, /11 of logs\/.*, more than 10/);
});
