/** A file that no waiting heals is a mistake of whoever configured it: exit 2, after which no unit starts it again. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { runtime } from "../../../src/runtime/index.ts";
import { Stage } from "../../stage/stage.ts";

const UNFIT: readonly { readonly what: string; readonly make: (path: string) => void; readonly told: RegExp }[] = [
  {
    what: "is no database",
    make: (path) => writeFileSync(path, "This is a text, and it is longer than the head of a database.\n".repeat(99)),
    told: /is not a SQLite database. Give taskexe a file of its own/,
  },
  {
    what: "is the database of another program",
    make: (path) => {
      const db = runtime.openDatabase(path);
      db.exec("CREATE TABLE theirs(a)");
      db.close();
    },
    told: /is the SQLite database of another program/,
  },
  { what: "is a folder", make: (path) => mkdirSync(path), told: /cannot be opened: it is a folder/ },
];

for (const { what, make, told } of UNFIT) {
  test(`a file that ${what} ends run, and every command, with exit 2 and a sentence`, async () => {
    const stage = Stage.make();
    try {
      const path = stage.path("unfit.db");
      make(path);
      const broker = ["--broker", `sqlite:${path}`];
      for (const args of [
        ["run", ...broker, "--listen", "off"],
        ["status", ...broker, "--listen", "off"],
        ["list", ...broker],
      ]) {
        const { code, stderr } = await stage.run(args);
        assert.equal(code, 2, `${args[0]}: ${stderr}`);
        assert.match(stderr, told);
        assert.doesNotMatch(stderr, /SqliteFileError|\n {4}at /);
      }
    } finally {
      await stage.end();
    }
  });
}
