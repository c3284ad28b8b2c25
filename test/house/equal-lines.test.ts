/** Hardly any logic of src is written twice. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { equalPlaces } from "./equal-lines.ts";
import { sourcesIn } from "./sources.ts";

/** Lines in a row that make two places equal. */
const LEAST = 6;
/** So many pairs there may be: where two runtimes or two brokers are alike, but nothing could serve both. */
const MOST_PAIRS = 7;

test(`at most ${MOST_PAIRS} pairs of places in src share ${LEAST} equal lines or more`, () => {
  const pairs = equalPlaces(sourcesIn("src"), LEAST);
  const told = pairs.map(({ one, other, lines }) => `${one} ~ ${other}: ${lines} lines`);
  assert.ok(pairs.length <= MOST_PAIRS, told.join("\n"));
});

const SIX = "a(1);\nb(2);\nc(3);\nd(4);\ne(5);\nf(6);\n";

function pairsOf(...texts: string[]): { one: string; other: string; lines: number }[] {
  return equalPlaces(new Map(texts.map((text, index) => [`f${index}`, text])), LEAST);
}

test("equal lines are found whatever stands around and between them that is not logic", () => {
  const spaced = `x();\n// why\n${SIX.replace("c(3);", "\n  /**\n   * more\n   */\n    c(3);\n}")}y();\n`;
  assert.deepEqual(pairsOf(`import { a } from "./a.ts";\n${SIX}`, spaced), [{ one: "f0:2", other: "f1:3", lines: 6 }]);
});

test("five equal lines, or six with one that differs, are no pair", () => {
  assert.deepEqual(pairsOf(SIX, SIX.replace("f(6);", "")), []);
  assert.deepEqual(pairsOf(SIX, SIX.replace("c(3);", "c(4);")), []);
});

test("a file that holds the same twice is a pair with itself, one that repeats a line is not", () => {
  assert.deepEqual(pairsOf(`${SIX}between();\n${SIX}`), [{ one: "f0:1", other: "f0:8", lines: 6 }]);
  assert.deepEqual(pairsOf("again();\n".repeat(9)), []);
});
