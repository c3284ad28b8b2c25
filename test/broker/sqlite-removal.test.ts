/**
 * What is left over in a SQLite file beside the tasks goes step by step, and costs those nothing who enqueue meanwhile.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteBroker } from "../../src/broker/sqlite/sqlite-broker.ts";
import { runtime } from "../../src/runtime/index.ts";
import { task, tasks } from "../stage/outcomes.ts";
import { sentences } from "../stage/sentences.ts";
import { removeAll } from "./contract/removal.ts";

let path = "";

const sentence = sentences("sqlite", async () => {
  const folder = await mkdtemp(join(tmpdir(), "taskexe-sqlite-"));
  path = `${folder}/queue.db`;
  return {
    make: (options) => new SqliteBroker(`sqlite:${path}`, options),
    end: () => rm(folder, { recursive: true }),
  };
});

/** Runs a statement in the file itself, past the broker; gives the first value of its first row. */
function run(sql: string): number {
  const db = runtime.openDatabase(path);
  try {
    return Number(Object.values(db.prepare(sql).get() ?? {})[0]);
  } finally {
    db.close();
  }
}

function numbersTo(count: number, insert: string): string {
  return (
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count}) ${insert} FROM n ` +
    "RETURNING 1"
  );
}

sentence("old cancels cost an enqueue only those of its own ids, and go by themselves", async (stage) => {
  const broker = await stage.open("a");
  run(numbersTo(20_000, "INSERT INTO cancels(id, at) SELECT 'c' || i, 1"));
  run("INSERT INTO cancels(id, at) VALUES('again', 1) RETURNING 1");
  await broker.enqueue([task("again")]);
  assert.equal(run("SELECT count(*) FROM cancels"), 20_000);
  assert.deepEqual(await broker.cancelled(["again"]), []);
  const { steps } = await removeAll(broker);
  assert.ok(steps <= 25, `${steps} steps`);
  assert.equal(run("SELECT count(*) FROM cancels"), 0);
});

sentence("unique keys whose time is over go without a pause while there are more", async (stage) => {
  const broker = await stage.open("a");
  run(
    numbersTo(
      20_000,
      "INSERT INTO uniques(queue, key, task, id, until) SELECT 'te', i, i, i, CASE i WHEN 7 THEN 9e15 ELSE 1 END",
    ),
  );
  await removeAll(broker);
  assert.equal(run("SELECT count(*) FROM uniques"), 1);
});

sentence("the ids of purged tasks go, though nothing else is removed afterwards", async (stage) => {
  const broker = await stage.open("a");
  for (let batch = 0; batch < 40; batch += 1) {
    const ones = tasks(1000, `b${batch}-`).map((one) => ({ ...one, delayMs: 60_000 }));
    await broker.enqueue(ones);
    await broker.cancel(ones.map(({ id }) => id));
  }
  await broker.enqueue([task("survivor")]);
  while ((await broker.purge({ state: "cancelled" }, 1000)) > 0);
  assert.ok(run("SELECT count(*) FROM ids") > 20_000);
  await removeAll(broker);
  const left = run("SELECT count(*) FROM ids");
  assert.ok(left < 12_000, `${left} ids are left`);
  assert.equal((await broker.record("survivor"))?.state, "queued");
});
