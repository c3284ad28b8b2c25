/** Node 22.13 to 22.19 is not at hand in the tests, so what it needs is proved on an imitation of it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bindingByName, bindsNumbered } from "../../src/runtime/files/numbered-parameters.ts";
import { runtime } from "../../src/runtime/index.ts";
import type { SqlDatabase, SqlStatement } from "../../src/runtime/runtime.ts";

/** Refuses numbered parameters in their order, as these do, and takes them by name. */
function olderDatabase(): SqlDatabase {
  const database = runtime.openDatabase(":memory:");
  const refusing = (sql: string, statement: SqlStatement, method: "run" | "get" | "all") => {
    return (...values: never[]) => {
      if (/\?\d/.test(sql) && typeof values[0] !== "object") throw new Error("column index out of range");
      return Reflect.apply(statement[method], statement, values);
    };
  };
  return {
    exec: (sql) => database.exec(sql),
    prepare(sql) {
      const statement = database.prepare(sql);
      return {
        run: refusing(sql, statement, "run"),
        get: refusing(sql, statement, "get"),
        all: refusing(sql, statement, "all"),
      } as SqlStatement;
    },
    close: () => database.close(),
  };
}

describe("numbered parameters where the runtime knows them by name only", () => {
  test("it is noticed", () => {
    assert.equal(bindsNumbered(runtime.openDatabase(":memory:")), true);
    assert.equal(bindsNumbered(olderDatabase()), false);
  });

  test("values in their order arrive all the same, more than nine of them and one used twice", () => {
    const database = bindingByName(olderDatabase());
    database.exec("CREATE TABLE t (a, b, c, d, e, f, g, h, i, j, k)");
    const insert = database.prepare("INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?1)");
    const { changes } = insert.run(1, "two", null, 4n, new Uint8Array([5]), 6, 7, 8, 9, 10);
    assert.equal(Number(changes), 1);
    const found = database.prepare("SELECT a, b, c, d, e, j, k FROM t WHERE b = ?2 AND a = ?1");
    const row = { a: 1, b: "two", c: null, d: 4, e: new Uint8Array([5]), j: 10, k: 1 };
    assert.deepEqual({ ...found.get(1, "two") }, row);
    assert.deepEqual(
      found.all(1, "two").map((each) => ({ ...each })),
      [row],
    );
    assert.equal(found.get(2, "two"), undefined);
    database.close();
  });

  test("statements with ordinary parameters, or none, are as they were", () => {
    const database = bindingByName(olderDatabase());
    assert.deepEqual({ ...database.prepare("SELECT ? AS a, ? AS b").get(1, "?2") }, { a: 1, b: "?2" });
    assert.deepEqual({ ...database.prepare("SELECT 1 AS a").get() }, { a: 1 });
    database.close();
  });
});
