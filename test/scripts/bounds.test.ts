/** docs/bounds.md names every key, table, file and collection, and nothing that is not there any more. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { FILE_KINDS } from "../../scripts/soak/account/files.ts";
import { keyNames } from "../../scripts/soak/account/key-names.ts";
import { RULES as REDIS_RULES } from "../../scripts/soak/account/redis-rules.ts";
import { RULES as SQLITE_RULES } from "../../scripts/soak/account/sqlite.ts";
import { stepsFrom } from "../../src/broker/sqlite/file/schema.ts";
import { runtime } from "../../src/runtime/index.ts";
import { ROOT } from "../stage/command.ts";

/** A field of a class, or a variable of a module, that holds a collection which is empty at first. */
const FIELD = /^ {2}(?:readonly )?(#?\w+)(?:: .+?)? = (?:new (?:Map|Set|Array)\b|\[\];)/;
const VARIABLE = /^(?:export )?(?:const|let) (\w+)(?:: .+?)? = (?:new (?:Map|Set)\b|\[\];)/;
/** What is written down in the source and never changed grows no more than the source. */
const FIXED = /: (?:readonly|ReadonlySet|ReadonlyMap)\b/;
const CONSTANTS = new Set([
  "state.ts REACHED",
  "schema.ts STATE_NAMES",
  "codec.ts STATES",
  "codec.ts NAMES",
  "sqlite-errors.ts OUR_FAULT",
  "outcome-commands.ts NOTHING",
  // Within the text of a program, which sets it once.
  "node.ts urls",
]);

function namesUnder(head: string): string[] {
  const text = readFileSync(join(ROOT, "docs/bounds.md"), "utf8");
  const section = text.split("\n## ").find((part) => part.startsWith(head)) ?? "";
  return [...section.matchAll(/^\| `([^`]+)` +\|/gm)].map(([, name = ""]) => name);
}

function collections(): string[] {
  const src = join(ROOT, "src");
  return readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.tsx?$/.test(path))
    .flatMap((path) => {
      const lines = readFileSync(join(src, path), "utf8").split("\n");
      return lines.flatMap((line) => {
        const variable = FIXED.test(line) ? undefined : VARIABLE.exec(line)?.[1];
        const name = FIELD.exec(line)?.[1] ?? variable;
        return name === undefined ? [] : [`${basename(path)} ${name}`];
      });
    })
    .filter((name) => !CONSTANTS.has(name));
}

function agrees(documented: readonly string[], there: readonly string[]): void {
  assert.deepEqual([...new Set(documented)].sort(), [...new Set(there)].sort());
}

test("every Redis key that a builder makes is named, and has a rule in the account", () => {
  const there = keyNames().map(({ name }) => name);
  assert.ok(there.length > 20);
  agrees(namesUnder("Redis keys"), there);
  agrees(Object.keys(REDIS_RULES), there);
});

test("every table of the SQLite file is named, and has a rule in the account", () => {
  const db = runtime.openDatabase(":memory:");
  db.exec(stepsFrom(0));
  const rows = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all();
  db.close();
  const there = rows.map(({ name }) => String(name));
  assert.ok(there.length > 8);
  agrees(namesUnder("SQLite tables"), there);
  agrees(Object.keys(SQLITE_RULES), there);
});

test("every kind of file that the account knows is named", () => {
  agrees(
    namesUnder("Files"),
    FILE_KINDS.map(({ name }) => name),
  );
});

test("every collection that lives longer than a call is named", () => {
  const there = collections();
  assert.ok(there.length > 40);
  agrees(namesUnder("Collections in the process"), there);
});

test("each row says what adds, what removes and how much there can be", () => {
  const text = readFileSync(join(ROOT, "docs/bounds.md"), "utf8");
  const rows = text.split("\n").filter((line) => line.startsWith("| `"));
  for (const row of rows) {
    const cells = row.split("|").slice(1, -1);
    assert.ok(
      cells.every((cell) => cell.trim() !== ""),
      row,
    );
  }
});
