/** Small files in small folders, with lines that fit on a screen. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { ROOT } from "../stage/command.ts";
import { filesIn, sourcesIn } from "./sources.ts";

const MOST_LINES = 350;
const MOST_FILES = 16;
const WIDEST = 120;

/** The core's two large ideas, which would only be harder to read in two, and all words of the page in one language. */
const LONG_FILES = ["src/concurrency/nursery.ts", "src/concurrency/channel.ts", "src/http/page/view/words.ts"];
/** Each file is one idea of the core, or one script of Redis, and its name says which. */
const LARGE_FOLDERS = ["src/concurrency", "src/broker/redis/scripts"];
/** What cannot be wrapped: a link or a table in Markdown, GritQL, a query of a dashboard, what npm or tsc writes. */
const WIDE_BY_NATURE =
  /\.(?:md|grit|png)$|grafana-dashboard\.json$|types\/taskexe\.d\.ts\.txt$|package-lock\.json$|^biome\.json$/;

test(`no file of src has over ${MOST_LINES} lines`, () => {
  const long = [...sourcesIn("src")].filter(([, text]) => text.split("\n").length - 1 > MOST_LINES);
  const told = long.map(([file]) => file).filter((file) => !LONG_FILES.includes(file));
  assert.deepEqual(told, []);
});

test(`no folder of src has over ${MOST_FILES} files side by side`, () => {
  const counts = new Map<string, number>();
  for (const file of filesIn("src")) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  const large = [...counts].filter(([, count]) => count > MOST_FILES).map(([folder]) => folder);
  assert.deepEqual(
    large.filter((folder) => !LARGE_FOLDERS.includes(folder)),
    [],
  );
});

test(`no line is over ${WIDEST} characters wide, in strings and comments, too`, () => {
  const wide: string[] = [];
  const folders = ["src", "test", "scripts", "examples", "python", "docs", ".ci"];
  for (const file of filesIn(...folders, "Makefile", "*.json", "*.toml")) {
    if (WIDE_BY_NATURE.test(file)) continue;
    for (const [index, line] of readFileSync(join(ROOT, file), "utf8").split("\n").entries()) {
      if ([...line].length > WIDEST) wide.push(`${file}:${index + 1}`);
    }
  }
  assert.deepEqual(wide, []);
});
