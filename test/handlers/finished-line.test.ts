/** A line of a task's log as people read it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { finishedLine } from "../../src/handlers/finished-line.ts";

test("what braces name stands in their place, and what they do not follows as JSON", () => {
  assert.equal(finishedLine("page {page} done", { page: 25 }), "page 25 done");
  assert.equal(finishedLine("{who} said {what}", { who: "a", what: { b: [1] } }), 'a said {"b":[1]}');
  assert.equal(finishedLine("page {page} done", { page: 25, of: 30 }), 'page 25 done {"of":30}');
  assert.equal(finishedLine("plain", { n: 1 }), 'plain {"n":1}');
});

test("two braces are one, and what is not there stays as it was written", () => {
  assert.equal(finishedLine("{{page}} {page} {other} {", { page: 1 }), "{page} 1 {other} {");
  assert.equal(finishedLine("{__proto__} {toString}", {}), "{__proto__} {toString}");
});

test("a brace in a value names nothing, and no value makes it throw", () => {
  assert.equal(finishedLine("{a} {b}", { a: "{b}", b: "$&" }), "{b} $&");
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  assert.match(finishedLine("{circle} {error} {none}", { circle, error: new Error("odd"), none: undefined }), /odd/);
});
