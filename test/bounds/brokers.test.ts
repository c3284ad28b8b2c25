/**
 * Whatever is put into a broker beyond the bounds of docs/bounds.md is held to them: real parts, with small bounds
 * where settings have them. What is then left is explained by the account that ends a soak, too.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Redis } from "ioredis";
import type { Account, Expected } from "../../scripts/soak/account/account.ts";
import { accountOfRedis } from "../../scripts/soak/account/redis.ts";
import { accountOfSqlite } from "../../scripts/soak/account/sqlite.ts";
import { outcomeOf, requests } from "../../scripts/soak/scale-stage.ts";
import type { Broker, BrokerOptions, EnqueueRequest } from "../../src/broker/broker.ts";
import { MAX_LOG_LINE_LENGTH, MAX_LOG_LINES } from "../../src/broker/contract/admin.ts";
import { createBroker } from "../../src/broker/drivers.ts";
import { GROUP } from "../../src/broker/redis/keys.ts";
import { openRoot } from "../../src/concurrency/index.ts";
import { MAX_PAUSED, pause } from "../../src/operations/pauses.ts";
import { MAX_SCHEDULES, putSchedule } from "../../src/operations/schedules/put-schedule.ts";
import { runtime } from "../../src/runtime/index.ts";
import { startRedis } from "../stage/redis/server.ts";
import { until } from "../stage/until.ts";

const timeout = 180_000;
const HOUR_MS = 3_600_000;
const LIMIT = 10;
const { signal } = openRoot();
const OPTIONS: BrokerOptions = {
  ...{ executor: "filler", queues: ["common"], leaseMs: 30_000, heartbeatTimeoutMs: 1_000 },
  ...{ doneLimit: LIMIT, cancelledLimit: LIMIT, deadLimit: LIMIT },
};
const EXPECTED: Expected = {
  ...{ executors: 1, heartbeatTimeoutMs: 1_000 },
  ...{ doneLimit: LIMIT, cancelledLimit: LIMIT, deadLimit: LIMIT },
};

interface Filled {
  readonly broker: Broker;
  /** Null over SQLite. */
  readonly redis: Redis | null;
  /** Null over Redis. */
  readonly path: string | null;
  account(): Promise<Account>;
  /** How many keys or rows of a kind are there. */
  count(name: string): Promise<number>;
}

function onBoth(name: string, body: (filled: Filled) => Promise<void>): void {
  test(`over Redis ${name}`, { timeout }, () => onRedis(body));
  test(`over SQLite ${name}`, { timeout }, () => onSqlite(body));
}

async function onRedis(body: (filled: Filled) => Promise<void>): Promise<void> {
  const server = await startRedis();
  const redis = new Redis(server.url);
  try {
    const account = (): Promise<Account> => accountOfRedis(redis, EXPECTED);
    await withBroker(server.url, { redis, path: null, account }, body);
  } finally {
    redis.disconnect();
    await server.stop();
  }
}

async function onSqlite(body: (filled: Filled) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-bounds-"));
  const path = join(folder, "queue.db");
  try {
    const account = async (): Promise<Account> => accountOfSqlite(path, EXPECTED);
    await withBroker(`sqlite:${path}`, { redis: null, path, account }, body);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function withBroker(
  url: string,
  parts: Omit<Filled, "broker" | "count">,
  body: (filled: Filled) => Promise<void>,
): Promise<void> {
  const broker = await createBroker(url, OPTIONS);
  try {
    await broker.open(signal);
    const count = async (name: string): Promise<number> => {
      return (await parts.account()).kinds.find((kind) => kind.name === name)?.count ?? 0;
    };
    await body({ ...parts, broker, count });
  } finally {
    await broker.close();
  }
}

/** Runs SQL on the file, as another process would. */
function sql(path: string, text: string): void {
  const db = runtime.openDatabase(path);
  try {
    db.prepare("PRAGMA busy_timeout = 10000").all();
    db.exec(text);
  } finally {
    db.close();
  }
}

async function endAll(broker: Broker, tasks: readonly EnqueueRequest[], kind: Parameters<typeof outcomeOf>[1]) {
  await broker.enqueue(tasks);
  const keys = new Map(tasks.map(({ id, unique }) => [id, unique?.ttlMs === null ? unique.key : null]));
  for (let left = tasks.length; left > 0; ) {
    const claimed = await broker.claim(Math.min(left, 200), signal);
    const outcomes = claimed.map((delivery) => {
      const outcome = outcomeOf(delivery, kind, tasks[0]?.retentionMs ?? 0);
      const uniqueKey = keys.get(outcome.id) ?? null;
      // Whoever holds a key until its end has a record.
      return uniqueKey === null ? outcome : { ...outcome, uniqueKey, recorded: true };
    });
    await broker.complete(outcomes);
    left -= claimed.length;
  }
}

async function removeAll(broker: Broker): Promise<void> {
  while ((await broker.removeEnded()).more);
}

onBoth(
  "records of ended tasks stay within the limits, whatever their retention, and so do their logs",
  async (filled) => {
    const { broker, count } = filled;
    for (const kind of ["done", "dead", "cancelled"] as const) {
      const tasks = requests(20 * LIMIT, { retentionMs: HOUR_MS });
      await broker.enqueue(tasks);
      await broker.appendLogs(
        tasks.map(({ id, queue }) => ({ id, queue, lines: [{ at: 1, level: "info", text: "it runs" }] })),
      );
      await endAll(broker, tasks, kind);
    }
    await removeAll(broker);
    assert.deepEqual((await filled.account()).problems, []);
    assert.equal(await count(filled.redis === null ? "tasks" : "taskexe:task:ID"), 3 * LIMIT);
    assert.equal(await count(filled.redis === null ? "logs" : "taskexe:log:ID"), 3 * LIMIT);
  },
);

onBoth("records whose time is over go, and tasks that keep none leave nothing", async (filled) => {
  const { broker } = filled;
  await endAll(broker, requests(300, { retentionMs: 50 }), "done");
  await endAll(broker, requests(1_000), "done");
  await until("all records are gone", 60_000, async () => {
    await removeAll(broker);
    return (await broker.counts())[0]?.done === 0;
  });
  assert.deepEqual((await filled.account()).problems, []);
});

onBoth("a task's log keeps its last lines, cut where they are long", async ({ broker }) => {
  const [task] = requests(1, { retentionMs: HOUR_MS });
  assert.ok(task);
  await broker.enqueue([task]);
  for (let part = 0; part < 3; part++) {
    const lines = Array.from({ length: MAX_LOG_LINES }, (_, n) => {
      return { at: n, level: "info", text: `${part} ${n} ${"x".repeat(2 * MAX_LOG_LINE_LENGTH)}` } as const;
    });
    await broker.appendLogs([{ id: task.id, queue: task.queue, lines }]);
  }
  const lines = await broker.logs(task.id);
  assert.equal(lines.length, MAX_LOG_LINES);
  assert.ok(lines.every(({ text }) => text.startsWith("2 ") && text.length <= MAX_LOG_LINE_LENGTH));
});

onBoth("unique keys go with their time, and with their task", async (filled) => {
  const { broker, count } = filled;
  const keyed = (ttlMs: number | null) =>
    requests(300).map((task, n) => ({ ...task, unique: { key: `${ttlMs} ${n}`, ttlMs } }));
  await endAll(broker, keyed(null), "done");
  await endAll(broker, keyed(20), "done");
  await until("the keys are gone", 60_000, async () => {
    await removeAll(broker);
    return (await count(filled.redis === null ? "uniques" : "taskexe:unique:QUEUE:KEY")) === 0;
  });
  assert.deepEqual((await filled.account()).problems, []);
});

onBoth("an executor's beats between those that are due leave nothing, and old ones are trimmed", async (filled) => {
  const { broker, redis, path } = filled;
  await broker.beat(JSON.stringify({ name: "filler" }));
  if (path !== null) {
    sql(
      path,
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
      INSERT INTO beats SELECT 'filler', i, '{"i":' || i || '}' FROM n`,
    );
  }
  await redis?.zadd("filler", ...Array.from({ length: 5_000 }, (_, n) => [n, `{"i":${n}}`]).flat());
  for (let n = 0; n < 200; n++) await broker.beat(JSON.stringify({ name: "filler", n }), false);
  await broker.clean();
  const beats = redis === null ? await filled.count("beats") : await redis.zcard("filler");
  assert.ok(beats <= 3, `${beats} beats`);
});

onBoth("executors that are gone are expelled, however many", async (filled) => {
  const { broker, redis, path } = filled;
  await broker.beat(JSON.stringify({ name: "filler" }));
  const names = Array.from({ length: 500 }, (_, n) => `gone-${n}`);
  if (path !== null) sql(path, names.map((name) => `INSERT INTO executors VALUES('${name}');`).join(""));
  await redis?.sadd("TASKEXE", ...names);
  await until("only we are left", 60_000, async () => {
    await broker.clean();
    return (await broker.fleet()).length === 1;
  });
});

onBoth("no more is paused, and no more schedules are put, than there may be", async (filled) => {
  const { broker, redis, path } = filled;
  if (path !== null) {
    sql(
      path,
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MAX_PAUSED})
      INSERT INTO paused SELECT 'type', 't' || i, 0 FROM n`,
    );
    sql(
      path,
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MAX_SCHEDULES})
      INSERT INTO schedules(name, definition, state) SELECT 's' || i, '{}', '' FROM n`,
    );
  }
  await redis?.sadd("taskexe:paused", ...Array.from({ length: MAX_PAUSED }, (_, n) => `type:t${n}`));
  for (let at = 0; redis !== null && at < MAX_SCHEDULES; at += 10_000) {
    await redis.hset("taskexe:schedules", ...Array.from({ length: 10_000 }, (_, n) => [`s${at + n}`, "{}"]).flat());
  }
  await assert.rejects(pause(broker, { kind: "queue", name: "common" }), /1000 queues and types are paused/);
  assert.equal((await broker.paused()).length, MAX_PAUSED);
  const schedule = { name: "one-more", cron: "@daily", type: "noop" };
  await assert.rejects(putSchedule(broker, schedule, { retentionMs: 0 }), /100000 schedules/);
});

test("over Redis marks and consumers of what is long over are forgotten", { timeout }, () =>
  onRedis(async ({ broker, redis, account }) => {
    assert.ok(redis);
    await broker.beat(JSON.stringify({ name: "filler" }));
    const marks = Array.from({ length: 5_000 }, (_, n) => [1, `old-${n}`]).flat();
    await redis.zadd("taskexe:marked-cancelled", ...marks);
    await redis.zadd("taskexe:waiting-cancelled:common", ...marks);
    for (let n = 0; n < 500; n++) await redis.xgroup("CREATECONSUMER", "te.0.common", GROUP, `gone-${n}`);
    await until("the consumers are gone", 60_000, async () => {
      await broker.clean();
      const [group] = (await redis.xinfo("GROUPS", "te.0.common")) as unknown[][];
      return Number(group?.[group.indexOf("consumers") + 1]) <= 1;
    });
    assert.equal(await redis.exists("taskexe:marked-cancelled", "taskexe:waiting-cancelled:common"), 0);
    assert.deepEqual((await account()).problems, []);
  }),
);

test("over Redis every cancel flag has an end", { timeout }, () =>
  onRedis(async ({ broker, redis }) => {
    assert.ok(redis);
    const waiting = requests(100);
    await broker.enqueue(waiting);
    const ids = [...waiting.map(({ id }) => id), "nobody knows it", "taskexe:task:odd"];
    await broker.cancel(ids);
    const flags = await redis.keys("*-cancel");
    assert.ok(flags.length > 0);
    for (const flag of [...flags, "taskexe:flag:taskexe:task:odd"]) assert.ok((await redis.pttl(flag)) > 0, flag);
  }),
);

test("over SQLite flags of an hour ago, counts of empty queues and ids of ended tasks are swept", { timeout }, () =>
  onSqlite(async ({ broker, path, account, count }) => {
    assert.ok(path !== null);
    sql(
      path,
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
      INSERT INTO cancels(id, at) SELECT 'old' || i, i FROM n`,
    );
    sql(
      path,
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
      INSERT INTO counts SELECT 'empty' || i, 4, 0 FROM n`,
    );
    for (let n = 0; n < 8; n++) await endAll(broker, requests(1_000), "done");
    await removeAll(broker);
    await broker.clean();
    assert.deepEqual((await account()).problems, []);
    assert.equal(await count("cancels"), 0);
    assert.ok((await count("counts")) <= 7);
    assert.ok((await count("ids")) < 5_000, `${await count("ids")} ids`);
  }),
);

test("over SQLite the pages of a queue that was full are given back", { timeout }, () =>
  onSqlite(async ({ broker, path }) => {
    assert.ok(path !== null);
    const pages = (): { readonly all: number; readonly free: number } => {
      const db = runtime.openDatabase(path);
      const read = (pragma: string): number => Number(Object.values(db.prepare(`PRAGMA ${pragma}`).get() ?? {})[0]);
      const found = { all: read("page_count"), free: read("freelist_count") };
      db.close();
      return found;
    };
    const long = requests(400).map((task) => {
      const message = JSON.stringify({ ...JSON.parse(task.message), payload: "x".repeat(50_000) });
      return { ...task, message };
    });
    await endAll(broker, long, "done");
    const full = pages();
    assert.ok(full.free > 4_000, `only ${full.free} pages are free: this test shows nothing`);
    for (let n = 0; n < 10; n++) await broker.clean();
    assert.ok(pages().free < 2_500, `${pages().free} pages are free`);
    assert.ok(pages().all < full.all);
  }),
);
