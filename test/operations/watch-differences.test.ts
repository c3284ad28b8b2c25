/** What a watch finds to be new in logs that grow at one end and lose their other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogLine } from "../../src/broker/administration.ts";
import { linesAfter, textAfter } from "../../src/operations/watch.ts";

const lines = (...texts: string[]): LogLine[] => texts.map((text) => ({ at: 1, level: "info", text }));
const texts = (found: readonly LogLine[]) => found.map(({ text }) => text);

test("lines are new behind those that were known, also where the oldest have gone", () => {
  assert.deepEqual(texts(linesAfter([], lines("a", "b"))), ["a", "b"]);
  assert.deepEqual(texts(linesAfter(lines("a"), lines("a", "b"))), ["b"]);
  assert.deepEqual(texts(linesAfter(lines("a", "b", "c"), lines("b", "c", "d"))), ["d"]);
  assert.deepEqual(texts(linesAfter(lines("a", "b"), lines("a", "b"))), []);
  assert.deepEqual(texts(linesAfter(lines("a", "b"), lines("x", "y"))), ["x", "y"]);
});

test("equal lines are told as often as they came", () => {
  assert.deepEqual(texts(linesAfter(lines("a", "a"), lines("a", "a", "a"))), ["a"]);
});

test("text is new behind what was known, also where its beginning was cut off within a line", () => {
  assert.equal(textAfter("", "10:00 a"), "10:00 a");
  assert.equal(textAfter("10:00 a", "10:00 a\n10:01 b"), "10:01 b");
  assert.equal(textAfter("10:00 a\n10:01 b", "00 a\n10:01 b\n10:02 c"), "10:02 c");
  assert.equal(textAfter("10:00 a\n10:01 b", "1 b\n10:02 c"), "1 b\n10:02 c");
  assert.equal(textAfter("10:00 a", "10:00 a"), "");
});
