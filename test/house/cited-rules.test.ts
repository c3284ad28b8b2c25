/**
 * Every rule of the concurrency core that is cited stands in docs/concurrency-rules.md, and each one there is cited.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ROOT } from "../stage/command.ts";
import { sourcesIn } from "./sources.ts";

/** `rule 4`, `rules 4 and 36`, `rules 51-53`, `rules 27 and 51-53`, `rules 1, 2 and 9`. */
const CITED = /\brules? (\d+(?:-\d+)?(?:(?:, | and )\d+(?:-\d+)?)*)/gi;
const STATED = /^- \*\*Rules? (\d+(?:-\d+)?)\.\*\*/gm;

function numbersIn(text: string, form: RegExp): number[] {
  return [...text.matchAll(form)].flatMap(([, list = ""]) =>
    list.split(/, | and /).flatMap((part) => {
      const [first = 0, last = first] = part.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    }),
  );
}

const stated = numbersIn(readFileSync(join(ROOT, "docs/concurrency-rules.md"), "utf8"), STATED);

test("the rules are numbered without a gap, each once, in order", () => {
  assert.ok(stated.length > 0);
  assert.deepEqual(
    stated,
    stated.map((_, index) => index + 1),
  );
});

test("every rule that a test or a source cites is there", () => {
  const missing: string[] = [];
  for (const [file, text] of sourcesIn("src", "test", "scripts")) {
    if (file === "test/house/cited-rules.test.ts") continue;
    for (const rule of numbersIn(text, CITED)) if (!stated.includes(rule)) missing.push(`${file}: rule ${rule}`);
  }
  assert.deepEqual(missing, []);
});

test("every rule is held by a test that cites it", () => {
  const cited = new Set([...sourcesIn("test/concurrency").values()].flatMap((text) => numbersIn(text, CITED)));
  assert.deepEqual(
    stated.filter((rule) => !cited.has(rule)),
    [],
  );
});

test("citations are found in all their forms", () => {
  const text = 'test("rule 4: a"); test("rules 27 and 51-53: b"); // see rules 1, 2 and 9; overrule 7, rules of 5';
  assert.deepEqual(numbersIn(text, CITED), [4, 27, 51, 52, 53, 1, 2, 9]);
});
