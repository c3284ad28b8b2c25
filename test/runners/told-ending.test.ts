/** What a runner says of an end -> the ending of the attempt. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { endingOf } from "../../src/runners/told-ending.ts";

test("a result that the runner left out is none, with the reason, which is bounded", () => {
  const told = (omitted: string) => endingOf({ kind: "done", run: 1, omitted });
  assert.deepEqual(told("it is no JSON"), { kind: "done", result: null, omitted: "it is no JSON" });
  const long = told("x".repeat(100_000));
  assert.ok(long.kind === "done" && (long.omitted?.length ?? 0) < 5_000);
});

test("no result is none, and null is one", () => {
  assert.deepEqual(endingOf({ kind: "done", run: 1 }), { kind: "done", result: null, omitted: null });
  assert.deepEqual(endingOf({ kind: "done", run: 1, result: null }), { kind: "done", result: "null", omitted: null });
});
