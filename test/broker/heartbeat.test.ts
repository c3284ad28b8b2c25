/** What every reader of a heartbeat may rely on, whoever sent it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readBeat } from "../../src/broker/contract/heartbeat.ts";

test("what a beat tells is there, in the order in which it was told, unknown keys too", () => {
  const text = '{"name":"a","pid":7,"new_one":[1],"current":{"t":{"task_type":"x"}},"lease_ms":30000}';
  assert.equal(JSON.stringify(readBeat(text)), text);
});

test("a key that is not what it should be is as if it were not told, and the others are there", () => {
  const beat = readBeat('{"pid":"7","boot_at":5,"slots_taken":null,"types":["a",1],"current":[],"started":3,"done":4}');
  assert.ok(beat !== null);
  const { pid, boot_at, slots_taken, types, started, done } = beat;
  assert.deepEqual([pid, boot_at, slots_taken, types, started], Array(5).fill(undefined));
  assert.equal(done, 4);
});

test("what is no JSON object is no beat", () => {
  for (const text of ["", "{", "[]", "null", "7", '"a"']) assert.equal(readBeat(text), null, text);
});
