/** No file outside the drivers' own folders knows one broker from another: src/broker/drivers.ts is the one door. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sourcesIn } from "./sources.ts";

/** The drivers' folders, the door to them, and what the runtimes offer under such a name. */
const MAY_KNOW = /^src\/(broker\/(redis|sqlite)\/|broker\/drivers\.ts$|runtime\/)/;

/** The text without comments, which may give examples. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}

function namesOfDrivers(text: string): readonly string[] {
  return withoutComments(text)
    .split("\n")
    .filter((line) => /redis|sqlite/i.test(line));
}

test("no file outside the drivers' folders names Redis or SQLite", () => {
  const found = [...sourcesIn("src")]
    .filter(([file]) => !MAY_KNOW.test(file))
    .flatMap(([file, text]) => namesOfDrivers(text).map((line) => `${file}: ${line.trim()}`));
  assert.deepEqual(found, []);
});

test("the look finds an import, a pattern and a text, and lets comments be", () => {
  assert.equal(namesOfDrivers('import { a } from "./sqlite/a.ts";').length, 1);
  assert.equal(namesOfDrivers("const own = /^rediss?:/i;").length, 1);
  assert.equal(namesOfDrivers("/** As Redis\n * and SQLite do. */\nconst a = 1; // not redis\n").length, 0);
});
