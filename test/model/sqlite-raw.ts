/** The SQLite file past the broker: ages leases, times and records, and compares every row with the model. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NO_TOKEN, stateName } from "../../src/broker/sqlite/file/schema.ts";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite-broker.ts";
import { runtime } from "../../src/runtime/index.ts";
import { QUEUES, type Raw } from "./system.ts";

/** In memory where there is such a folder: what is compared here does not need the disk, and some disks are slow. */
async function makeFolder(): Promise<string> {
  try {
    return await mkdtemp("/dev/shm/taskexe-model-");
  } catch {
    return await mkdtemp(join(tmpdir(), "taskexe-model-"));
  }
}

export async function sqliteRaw(): Promise<Raw> {
  const folder = await makeFolder();
  const path = join(folder, "tasks.db");
  const url = `sqlite:${path}`;
  const first = new SqliteBroker(url, { executor: null, queues: QUEUES, leaseMs: 1000 });
  await first.open(new AbortController().signal);
  await first.close();
  const database = runtime.openDatabase(path);
  database.exec("PRAGMA busy_timeout = 5000");
  const rows = (sql: string, ...values: (string | number)[]) => database.prepare(sql).all(...values);
  const run = (sql: string, ...values: (string | number)[]) => database.prepare(sql).run(...values);

  return {
    url,
    traits: {
      recordless: false,
      keepsCancelled: false,
      ghosts: false,
      everyEndDropsFlag: true,
      ownClock: false,
      reclaimsOwn: false,
      parksInLine: true,
    },
    make: (options) => new SqliteBroker(url, options),
    leasedBy: async (name) =>
      rows("SELECT id FROM tasks WHERE state = 1 AND owner = ?", name).map(({ id }) => String(id)),
    async expireLeases(name) {
      run("UPDATE tasks SET lease_until = ? WHERE state = 1 AND owner = ?", Date.now() - 1, name);
    },
    async makeDue({ id }) {
      run("UPDATE tasks SET due_at = ? WHERE id = ?", Date.now() - 1, id);
    },
    async expireRecord({ id }) {
      run("UPDATE tasks SET expires_at = ? WHERE id = ?", Date.now() - 1, id);
    },
    async keepRecords() {},
    async expireKey(queue, key) {
      run("UPDATE uniques SET until = ? WHERE queue = ? AND key = ?", Date.now() - 1, queue, key);
    },
    async check(model) {
      const tasks = rows("SELECT tasks.* FROM tasks JOIN ids USING(seq) WHERE ids.id = tasks.id ORDER BY tasks.id");
      assert.equal(tasks.length, rows("SELECT 1 FROM tasks").length, "every task is found by its id");
      assert.deepEqual(
        tasks.map(({ id, state, queue }) => `${id} ${stateName(Number(state))} ${queue}`),
        [...model.tasks.values()].map(({ id, state, queue }) => `${id} ${state} ${queue}`).sort(),
      );
      for (const { id, state, token, owner, due_at, expires_at } of tasks) {
        const name = stateName(Number(state));
        const ended = name === "done" || name === "dead" || name === "cancelled";
        assert.equal(token === NO_TOKEN, name !== "running", `the fence of ${id}, ${name}`);
        if (name === "running") assert.equal(owner, model.tasks.get(String(id))?.holder, `who holds ${id}`);
        assert.equal(due_at !== null, name === "scheduled" || name === "retrying", `when ${id}, ${name}, is due`);
        assert.equal(expires_at !== null, ended, `when ${id}, ${name}, may go`);
      }
      const sums = rows("SELECT queue, state % 7 AS state, count(*) AS n FROM tasks GROUP BY 1, 2 ORDER BY 1, 2");
      const books = rows("SELECT queue, state, n FROM counts WHERE n <> 0 ORDER BY 1, 2");
      assert.deepEqual(books, sums, "the books of the counts");
      const held = rows("SELECT queue, key, id FROM uniques WHERE until IS NULL OR until > ?", Date.now());
      assert.deepEqual(
        held.map(({ queue, key, id }) => `${queue}:${key} ${id}`).sort(),
        [...model.keys].map(([name, { id }]) => `${name} ${id}`).sort(),
        "the unique keys",
      );
      const flags = rows("SELECT id FROM cancels ORDER BY id").map(({ id }) => String(id));
      assert.deepEqual(flags, [...model.flags].sort(), "the cancel flags");
    },
    async checkEmpty() {
      assert.deepEqual(rows("SELECT id FROM tasks"), []);
      assert.deepEqual(rows("SELECT * FROM uniques WHERE until IS NULL"), []);
      assert.deepEqual(rows("SELECT * FROM logs"), []);
    },
    async end() {
      database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
