/** Errors that a runner tells: kept as they are, within the bounds of what is kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_ERROR_DEPTH, MAX_ERROR_MESSAGE, MAX_ERROR_PARTS } from "../../src/handlers/error-record.ts";
import { recordOfWire, wireOfRecord } from "../../src/runner-protocol/wire-error.ts";
import type { ErrorRecord } from "../../src/task/record/record.ts";

test("an error with its parts is the same on both sides", () => {
  const record: ErrorRecord = {
    ...{ name: "ValueError", message: "no", stack: "at line 7" },
    parts: [{ name: "OSError", message: "gone", parts: [{ name: "Error", message: "why" }] }],
  };
  assert.deepEqual(recordOfWire(wireOfRecord(record)), record);
});

test("however large an error is, its record is bounded and says what was left out", () => {
  const part = { name: "n".repeat(900), message: "m".repeat(9_000) };
  const record = recordOfWire({ ...part, errors: Array.from({ length: 200 }, () => part) });
  assert.equal(record.message.length, MAX_ERROR_MESSAGE);
  assert.equal(record.name.length, 200);
  assert.equal(record.parts?.length, MAX_ERROR_PARTS + 1);
  assert.deepEqual(record.parts?.at(-1), { name: "Note", message: "150 more errors were left out" });
});

test("errors in errors are kept down to a level", () => {
  let deep = { name: "Error", message: "the last" };
  for (let level = 0; level < 100; level++) deep = Object.assign({ name: "Error", message: "" }, { errors: [deep] });
  let levels = 0;
  for (let at: ErrorRecord | undefined = recordOfWire(deep); at !== undefined; at = at.parts?.[0]) levels++;
  // The note about what was left out stands one level below.
  assert.equal(levels, MAX_ERROR_DEPTH + 2);
});

test("an error without a name or a message has one", () => {
  assert.deepEqual(recordOfWire({ name: "", message: "" }), { name: "Error", message: "an error without a message" });
});
