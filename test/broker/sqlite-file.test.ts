/**
 * The file itself: how it is made, what is refused, and what a busy, full or closed database means for the callers.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type BrokerOptions, BrokerUnavailableError, type ConnectionState } from "../../src/broker/broker.ts";
import { BrokerUrlError } from "../../src/broker/broker-url-error.ts";
import { pathOf } from "../../src/broker/sqlite/address.ts";
import { DatabaseFile } from "../../src/broker/sqlite/file/database-file.ts";
import { SqliteFileError } from "../../src/broker/sqlite/file/sqlite-errors.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite-broker.ts";
import { openRoot, sleep } from "../../src/concurrency/index.ts";
import { runtime } from "../../src/runtime/index.ts";
import { claimAll, claimOne, done, idOf, QUEUE, task, tasks } from "../stage/outcomes.ts";
import { quickEnough } from "../stage/quick-enough.ts";
import { eventually } from "../stage/until.ts";

const OPTIONS: BrokerOptions = { executor: "a", queues: [QUEUE], leaseMs: 30_000 };
const { signal } = openRoot();

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-sqlite-file-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An open broker on a new file, closed at the end. */
async function withBroker(body: (broker: SqliteBroker, file: DatabaseFile) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const file = new DatabaseFile(`${folder}/tasks.db`);
    const broker = new SqliteBroker(`sqlite:${file.path}`, OPTIONS, file);
    await broker.open(signal);
    try {
      await body(broker, file);
    } finally {
      await broker.close();
    }
  });
}

async function refused(path: string, message: RegExp): Promise<void> {
  const broker = new SqliteBroker(`sqlite:${path}`, OPTIONS);
  await assert.rejects(broker.open(signal), (error) => error instanceof SqliteFileError && message.test(error.message));
  await broker.close();
}

test("an address without a path, in memory, or with a host is refused", () => {
  for (const url of ["sqlite:", "sqlite::memory:", "sqlite://host/tasks.db"]) {
    assert.throws(() => new SqliteBroker(url, OPTIONS), BrokerUrlError, url);
  }
});

test("the folder is made for its owner alone, and so is the file", () =>
  withFolder(async (folder) => {
    const path = `${folder}/deep/down/tasks.db`;
    const broker = new SqliteBroker(`sqlite://${path}`, OPTIONS);
    await broker.open(signal);
    await broker.enqueue([task("one")]);
    const mode = async (of: string) => (await stat(of)).mode & 0o777;
    assert.equal(await mode(`${folder}/deep`), 0o700);
    assert.equal(await mode(`${folder}/deep/down`), 0o700);
    for (const file of [path, `${path}-wal`, `${path}-shm`]) assert.equal(await mode(file), 0o600, file);
    await broker.close();
  }));

test("tasks are still there after the file was closed and opened again", () =>
  withFolder(async (folder) => {
    for (const name of ["one", "two"]) {
      const broker = new SqliteBroker(`sqlite:${folder}/tasks.db`, OPTIONS);
      await broker.open(signal);
      await broker.enqueue([task(name)]);
      await broker.close();
    }
    const broker = new SqliteBroker(`sqlite:${folder}/tasks.db`, OPTIONS);
    await broker.open(signal);
    assert.deepEqual((await claimAll(broker, 2, signal)).map(idOf), ["one", "two"]);
    await broker.close();
  }));

test("a file that is no database is refused and left as it was", () =>
  withFolder(async (folder) => {
    const path = `${folder}/notes.txt`;
    const text = "these are notes, not a database. ".repeat(50);
    await writeFile(path, text);
    await refused(path, /not a SQLite database.*file of its own/);
    assert.equal(await readFile(path, "utf8"), text);
  }));

test("the database of another program is refused and left as it was", () =>
  withFolder(async (folder) => {
    const path = `${folder}/photos.db`;
    const db = runtime.openDatabase(path);
    db.exec("CREATE TABLE photos(name TEXT)");
    db.close();
    const before = await readFile(path);
    await refused(path, /another program.*file of its own/);
    assert.deepEqual(await readFile(path), before);
  }));

test("a database of a newer taskexe is refused, and the message says what to do", () =>
  withBroker(async (broker, { path }) => {
    await broker.close();
    const db = runtime.openDatabase(path);
    db.exec("PRAGMA user_version = 99");
    db.close();
    await refused(path, /newer taskexe \(format 99; this one knows up to \d+\)\. Update this taskexe/);
  }));

test("a damaged database is refused", () =>
  withBroker(async (broker, { path }) => {
    await broker.enqueue(tasks(100));
    await broker.close();
    const bytes = await readFile(path);
    bytes.fill(0x5a, 100, 4096);
    await writeFile(path, bytes);
    await refused(path, /is damaged/);
  }));

test("a folder in place of the file, or a file in place of the folder, is refused by name", () =>
  withFolder(async (folder) => {
    await mkdir(`${folder}/tasks.db`);
    await refused(`${folder}/tasks.db`, /cannot be opened: it is a folder/);
    await writeFile(`${folder}/file`, "");
    await refused(`${folder}/file/tasks.db`, /cannot be opened: a part of the path is not a folder/);
  }));

test("a pipe, a socket or a device in place of the file is refused at once", () =>
  withFolder(async (folder) => {
    const pipe = `${folder}/pipe`;
    assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
    for (const path of [pipe, "/dev/null", "/dev/zero"]) {
      await refused(path, /cannot be opened: it is a pipe, a socket or a device$/);
    }
  }));

test("~/ is the user's home, and every other ~ is refused", () => {
  assert.equal(pathOf("sqlite:~/sub/x.db"), `${process.env.HOME}/sub/x.db`);
  for (const url of ["sqlite:~", "sqlite:~root/x.db"]) assert.throws(() => pathOf(url), BrokerUrlError, url);
  assert.match(pathOf("sqlite:./~x"), /\/~x$/);
});

test("a second connection of one process, opened and closed, leaves the first one its locks", () =>
  withBroker(async (_, { path }) => {
    const { ino } = await stat(path);
    const locks = async () => (await readFile("/proc/locks", "utf8")).match(new RegExp(`:${ino} `, "g"))?.length ?? 0;
    const before = await locks();
    assert.ok(before > 0, "SQLite holds a lock on the file while it is open");
    const second = new SqliteBroker(`sqlite:${path}`, OPTIONS);
    await second.open(signal);
    await second.close();
    assert.equal(await locks(), before);
  }));

test("in a folder that a group shares, the file is the group's too", () =>
  withFolder(async (folder) => {
    await chmod(folder, 0o2770);
    const umask = process.umask(0o077);
    try {
      const broker = new SqliteBroker(`sqlite:${folder}/tasks.db`, OPTIONS);
      await broker.open(signal);
      await broker.enqueue([task("one")]);
      for (const name of ["tasks.db", "tasks.db-wal", "tasks.db-shm"]) {
        assert.equal((await stat(`${folder}/${name}`)).mode & 0o777, 0o660, name);
      }
      await broker.close();
    } finally {
      process.umask(umask);
    }
  }));

test("open waits for a database that is locked, until its signal aborts", () =>
  withBroker(async (broker, { path }) => {
    await broker.close();
    const other = runtime.openDatabase(path);
    other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE ledger SET probe = 1; COMMIT");
    const waiting = new SqliteBroker(`sqlite:${path}`, OPTIONS);
    const scope = openRoot();
    const rejected = assert.rejects(waiting.open(scope.signal), (error) => error === scope.signal.reason);
    await sleep(100, signal);
    assert.notEqual(waiting.connection().state, "connected");
    assert.match(waiting.connection().lastError ?? "", /locked/);
    scope.cancel();
    await rejected;
    other.close();
    await waiting.open(signal);
    assert.equal(waiting.connection().state, "connected");
    await waiting.close();
  }));

test("while another process writes, calls wait and the event loop does not", () =>
  withBroker(async (broker, { path }) => {
    const longestTurn = async () => {
      let longestMs = 0;
      for (const until = performance.now() + 600; performance.now() < until; ) {
        const before = performance.now();
        await sleep(5, signal);
        longestMs = Math.max(longestMs, performance.now() - before);
        assert.deepEqual(await broker.backlog(), { pending: 0, lag: 0 });
      }
      return longestMs;
    };
    const longestWhileLocked = async (round: number) => {
      const batch = tasks(10, `round-${round}-`);
      const other = runtime.openDatabase(path);
      other.exec("BEGIN IMMEDIATE");
      let enqueued = false;
      const enqueue = broker.enqueue(batch).then((receipts) => {
        enqueued = true;
        return receipts;
      });
      let longestMs: number;
      try {
        longestMs = await longestTurn();
        assert.equal(enqueued, false);
      } finally {
        other.exec("COMMIT");
        other.close();
      }
      assert.equal((await enqueue).length, 10);
      assert.deepEqual(broker.connection(), { state: "connected", lastError: null, warnings: [] });
      await broker.cancel(batch.map(({ id }) => id));
      return longestMs;
    };
    await quickEnough("the longest turn of the loop", 250, longestWhileLocked, 5);
  }));

test("after ten seconds of waiting the call fails, and what was asked has not happened", { timeout: 120_000 }, () =>
  withBroker(async (broker, { path }) => {
    const other = runtime.openDatabase(path);
    other.exec("BEGIN IMMEDIATE");
    await assert.rejects(broker.enqueue([task("one")]), BrokerUnavailableError);
    assert.notEqual(broker.connection().state, "connected");
    other.exec("COMMIT");
    other.close();
    await eventually(30_000, () => broker.connection().state === "connected");
    assert.equal(await broker.record("one"), null);
    assert.deepEqual(await broker.enqueue([task("one")]), [{ id: "one", created: true, state: "queued" }]);
  }),
);

test("a full disk fails calls, shows in the connection, loses nothing, and heals by itself", () =>
  withBroker(async (broker, file) => {
    const states: ConnectionState[] = [];
    broker.onConnectionChange((state) => states.push(state));
    await broker.enqueue(tasks(50));
    const held = await claimAll(broker, 10, signal);
    const pages = Number(file.sql("PRAGMA page_count").get()?.page_count);
    file.sql(`PRAGMA max_page_count = ${pages + 2}`).all();
    const big = task("big", { message: JSON.stringify({ id: "big", payload: "x".repeat(100_000) }) });
    await assert.rejects(broker.enqueue([task("small"), big]), (error) => {
      assert.ok(error instanceof BrokerUnavailableError);
      assert.match(error.message, /full/);
      return true;
    });
    assert.notEqual(broker.connection().state, "connected");
    assert.match(broker.connection().lastError ?? "", /full/);
    assert.equal(await broker.record("small"), null, "all or nothing");
    file.sql("PRAGMA max_page_count = 1000000").all();
    // Without a call of ours: the broker tries by itself.
    await eventually(30_000, () => broker.connection().state === "connected");
    assert.deepEqual(
      states.map(({ state }) => state),
      ["refusing", "connected"],
    );
    assert.equal((await broker.enqueue([big]))[0]?.created, true);
    assert.ok((await broker.complete(held.map((delivery) => done(delivery)))).every((one) => one === "recorded"));
    assert.deepEqual(await broker.backlog(), { pending: 0, lag: 41 });
  }));

test("a fault in one call does not fail those that share its transaction", () =>
  withBroker(async (broker) => {
    await broker.enqueue([task("one")]);
    const delivery = await claimOne(broker, signal);
    const foreign = { ...delivery };
    const [good, bad, also] = await Promise.allSettled([
      broker.enqueue([task("two")]),
      broker.renew([foreign]),
      broker.complete([done(delivery)]),
    ]);
    assert.equal(good.status, "fulfilled");
    assert.ok(bad.status === "rejected" && bad.reason instanceof TypeError);
    assert.deepEqual(also.status === "fulfilled" && also.value, ["recorded"]);
    assert.deepEqual(await broker.backlog(), { pending: 0, lag: 1 });
  }));

test("closing rejects the calls that are under way, and every later one", () =>
  withBroker(async (broker) => {
    const waiting = assert.rejects(broker.claim(1, signal), BrokerUnavailableError);
    await sleep(20, signal);
    const enqueue = assert.rejects(broker.enqueue([task("one")]), BrokerUnavailableError);
    await broker.close();
    await Promise.all([waiting, enqueue]);
    await assert.rejects(broker.enqueue([task("one")]), BrokerUnavailableError);
    await assert.rejects(broker.record("one"), BrokerUnavailableError);
    await assert.rejects(broker.claim(1, signal), BrokerUnavailableError);
    assert.notEqual(broker.connection().state, "connected");
    await broker.close();
  }));

test("a file that may only be read is refused, unless one is root", () =>
  withBroker(async (broker, { path }) => {
    await broker.close();
    await chmod(path, 0o400);
    if (process.getuid?.() === 0) return;
    await refused(path, /this user may not write there/);
  }));

test("a database with a trigger or a view in it is refused, and says which", async () => {
  await withFolder(async (folder) => {
    for (const [kind, sql] of [
      ["trigger", "CREATE TRIGGER spy AFTER INSERT ON tasks BEGIN DELETE FROM tasks; END"],
      ["view", "CREATE VIEW spy AS SELECT * FROM tasks"],
    ] as const) {
      const file = new DatabaseFile(join(folder, `${kind}.db`));
      const change = (text: string) => {
        const db = runtime.openDatabase(file.path);
        db.exec(text);
        db.close();
      };
      file.open();
      file.close();
      change(sql);
      const drop = `DROP ${kind.toUpperCase()}`;
      assert.throws(() => file.open(), new RegExp(`holds the ${kind} "spy", which is not taskexe's .*${drop}`));
      change(`${drop} spy`);
      file.open();
      file.close();
    }
  });
});
