/**
 * SQLite: the values it keeps, two connections to one file, and the errors a user may see.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runtime } from "../../src/runtime/index.ts";
import { withFolder } from "./fixtures/folder.ts";

test("a row keeps its values: text, numbers, null and bytes", () => {
  const database = runtime.openDatabase(":memory:");
  database.exec("CREATE TABLE t (a, b, c, d, e)");
  const values = ["grüße", 42, 0.5, null, new Uint8Array([0, 255])];
  const { changes, lastInsertRowid } = database.prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?)").run(...values);
  assert.deepEqual([Number(changes), Number(lastInsertRowid)], [1, 1]);
  const [a, b, c, d, e] = values;
  assert.deepEqual({ ...database.prepare("SELECT * FROM t").get() }, { a, b, c, d, e });
  database.close();
});

test("a bigint is stored whole, and one too large for a number is refused when read", () => {
  const database = runtime.openDatabase(":memory:");
  database.exec("CREATE TABLE t (a INTEGER)");
  database.prepare("INSERT INTO t VALUES (?)").run(2n ** 53n + 1n);
  assert.equal(database.prepare("SELECT CAST(a AS TEXT) AS a FROM t").get()?.a, "9007199254740993");
  assert.throws(() => database.prepare("SELECT a FROM t").get(), RangeError);
  database.close();
});

test("get gives undefined and all gives nothing where there is no row", () => {
  const database = runtime.openDatabase(":memory:");
  database.exec("CREATE TABLE t (a)");
  assert.equal(database.prepare("SELECT * FROM t").get(), undefined);
  assert.deepEqual(database.prepare("SELECT * FROM t").all(), []);
  database.close();
});

test("a file keeps what was written, and two connections see each other's", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "queue.db");
    const one = runtime.openDatabase(path);
    one.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (a)");
    const two = runtime.openDatabase(path);
    two.prepare("INSERT INTO t VALUES (?)").run("from two");
    assert.equal(one.prepare("SELECT a FROM t").get()?.a, "from two");
    one.close();
    two.close();
    const later = runtime.openDatabase(path);
    assert.equal(later.prepare("SELECT a FROM t").all().length, 1);
    later.close();
  });
});

test("claims by UPDATE ... RETURNING give their rows", () => {
  const database = runtime.openDatabase(":memory:");
  database.exec(
    "CREATE TABLE t (id INTEGER PRIMARY KEY, owner TEXT); INSERT INTO t (owner) VALUES (NULL), (NULL), (NULL)",
  );
  const claim = database.prepare(
    "UPDATE t SET owner = ? WHERE id IN (SELECT id FROM t WHERE owner IS NULL LIMIT ?) RETURNING id",
  );
  assert.deepEqual(
    claim.all("me", 2).map((row) => row.id),
    [1, 2],
  );
  assert.deepEqual(
    claim.all("me", 2).map((row) => row.id),
    [3],
  );
  database.close();
});

test("a file that cannot be opened is named", () => {
  assert.throws(
    () => runtime.openDatabase("/no/such/folder/queue.db"),
    /The SQLite file \/no\/such\/folder\/queue\.db cannot be opened/,
  );
});

test("a runtime without SQLite says so, and only when it is used", () => {
  const real = process.getBuiltinModule;
  process.getBuiltinModule = (() => undefined) as typeof process.getBuiltinModule;
  try {
    assert.throws(() => runtime.openDatabase(":memory:"), /SQLite needs Bun, Deno or Node 22\.13/);
  } finally {
    process.getBuiltinModule = real;
  }
});

test("Node warns of nothing when SQLite is loaded, and of everything else as ever", () => {
  const module = import.meta.resolve("../../src/runtime/files/sqlite.ts");
  const program = `const { openDatabase } = await import(${JSON.stringify(module)});
    const { emitWarning } = process;
    openDatabase(":memory:").close();
    if (process.emitWarning !== emitWarning) throw new Error("it is not as it was");
    process.emitWarning("SQLite of somebody else", "ExperimentalWarning");`;
  const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
  const { status, stderr } = spawnSync(node, ["--input-type=module", "-e", program], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.deepEqual(stderr.match(/Warning: .*/g), ["Warning: SQLite of somebody else"]);
});
