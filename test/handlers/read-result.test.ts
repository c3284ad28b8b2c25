/** What a handler returns, as the result that is kept; what cannot be kept is left out, and the reason says why. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readResult } from "../../src/handlers/in-process/read-result.ts";
import { MAX_RESULT_LENGTH } from "../../src/task/limits.ts";
import { MAX_MESSAGE_DEPTH } from "../../src/task/message/message-schema.ts";

const omission = (value: unknown): string => {
  const { json, omitted } = readResult(value);
  assert.equal(json, null);
  assert.ok(omitted !== null);
  return omitted;
};

/** An array in an array, so many levels in all. */
function nested(levels: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < levels; level++) value = [value];
  return value;
}

test("any JSON value is a result, and nothing is none", () => {
  assert.deepEqual(readResult({ a: [1, null] }), { json: '{"a":[1,null]}', omitted: null });
  assert.deepEqual(readResult(null), { json: "null", omitted: null });
  assert.deepEqual(readResult(undefined), { json: null, omitted: null });
});

test("a result of a megabyte is kept, and a longer one is left out with its size and what to do", () => {
  // Two quotes belong to it.
  assert.equal(readResult("x".repeat(MAX_RESULT_LENGTH - 2)).omitted, null);
  assert.match(
    omission("x".repeat(MAX_RESULT_LENGTH - 1)),
    /^the result was left out: it is 1048577 characters of JSON; at most 1048576 are kept: store it elsewhere/,
  );
});

test("a result may be as deep as a payload, and a deeper one is left out, however deep it is", () => {
  assert.equal(readResult(nested(MAX_MESSAGE_DEPTH)).omitted, null);
  assert.match(omission(nested(MAX_MESSAGE_DEPTH + 1)), /nested deeper than 500 levels/);
  assert.match(omission(nested(6_000)), /left out: it (is nested deeper|cannot be written)/);
  assert.match(omission(nested(50_000)), /left out: it (is nested deeper|cannot be written)/);
});

test("what is no JSON is left out by its kind", () => {
  assert.match(
    omission(() => 1),
    /must be a JSON value, got a function/,
  );
  assert.match(omission(1n), /cannot be written as JSON: .*BigInt/);
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  assert.match(omission(cycle), /cannot be written as JSON/);
});

test("a value whose own code throws, whatever it throws, is left out", () => {
  for (const thrown of [new Error("my own"), Object.create(null), Symbol("s"), undefined, revoked()]) {
    const toJSON = () => {
      throw thrown;
    };
    assert.match(omission({ toJSON }), /cannot be written as JSON/);
  }
  assert.match(omission(revoked()), /cannot be written as JSON/);
});

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
