/** What a watch finds to be new in messages that grow at one end and lose their other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { textAfter } from "../../src/operations/watch/watch.ts";

test("text is new behind what was known, also where its beginning was cut off within a line", () => {
  assert.equal(textAfter("", "10:00 a"), "10:00 a");
  assert.equal(textAfter("10:00 a", "10:00 a\n10:01 b"), "10:01 b");
  assert.equal(textAfter("10:00 a\n10:01 b", "00 a\n10:01 b\n10:02 c"), "10:02 c");
  assert.equal(textAfter("10:00 a\n10:01 b", "1 b\n10:02 c"), "1 b\n10:02 c");
  assert.equal(textAfter("10:00 a", "10:00 a"), "");
});
