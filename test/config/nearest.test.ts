import assert from "node:assert/strict";
import { test } from "node:test";
import { didYouMean, nearest } from "../../src/config/nearest.ts";

const KNOWN = ["concurrency", "queues", "tasks", "listen", "lease", "enqueue"];

test("a slip of one or two letters finds the name that was meant", () => {
  const slips = { concurency: "concurrency", quesue: "queues", task: "tasks", Listen: "listen", laese: "lease" };
  for (const [slip, meant] of Object.entries(slips)) assert.equal(nearest(slip, KNOWN), meant);
});

test("the beginning of a name finds it", () => {
  assert.equal(nearest("enq", KNOWN), "enqueue");
});

test("a word that is far from every name finds nothing", () => {
  assert.equal(nearest("database", KNOWN), null);
  assert.equal(didYouMean("database", KNOWN), "");
});
