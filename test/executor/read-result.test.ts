/** What a handler returns, as the result that is kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_RESULT_LENGTH, readResult } from "../../src/executor/read-result.ts";

const refusal = (value: unknown): string => {
  const read = readResult(value);
  assert.equal(read.ok, false);
  return read.ok ? "" : `${read.error.name}: ${read.error.message}`;
};

test("any JSON value is a result, and nothing is none", () => {
  assert.deepEqual(readResult({ a: [1, null] }), { ok: true, json: '{"a":[1,null]}' });
  assert.deepEqual(readResult(null), { ok: true, json: "null" });
  assert.deepEqual(readResult(undefined), { ok: true, json: null });
});

test("a result of a megabyte is kept, and a longer one is refused with its size and what to do", () => {
  // Two quotes belong to it.
  assert.equal(readResult("x".repeat(MAX_RESULT_LENGTH - 2)).ok, true);
  assert.match(
    refusal("x".repeat(MAX_RESULT_LENGTH - 1)),
    /^ResultError: the result is 1048577 characters of JSON; at most 1048576 are kept: store it elsewhere/,
  );
});

test("what is no JSON is refused by its kind", () => {
  assert.match(
    refusal(() => 1),
    /must be a JSON value, got a function/,
  );
  assert.match(refusal(1n), /cannot be written as JSON: .*BigInt/);
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  assert.match(refusal(cycle), /cannot be written as JSON/);
});
