/** When an executor asks for a whole collection. That memory is flat by it is shown in memory.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openRoot } from "../../../src/concurrency/index.ts";
import {
  COLLECT_AFTER,
  COLLECT_BELOW,
  collectNowAndThen,
  WORTH_GIVING_BACK,
} from "../../../src/executor/upkeep/garbage-collection.ts";
import { MockClock } from "../../../src/testing.ts";

test("a whole collection comes after many attempts, and not where the heap is big or little was done", async () => {
  const clock = new MockClock();
  const root = openRoot({ clock });
  let [attempts, rssBytes, collections] = [5, COLLECT_BELOW - 1, 0];
  const parts = {
    attempts: () => attempts,
    running: () => 0,
    giveBack: () => {},
    rssBytes: () => rssBytes,
    collect: () => {
      collections++;
    },
  };
  const running = assert.rejects(collectNowAndThen(parts, root.signal));
  attempts += COLLECT_AFTER - 1;
  await clock.advance(60_000);
  assert.equal(collections, 0);
  attempts += 1;
  await clock.advance(60_000);
  assert.equal(collections, 1);
  rssBytes = COLLECT_BELOW;
  attempts += 10 * COLLECT_AFTER;
  await clock.advance(60_000);
  assert.equal(collections, 1);
  rssBytes--;
  attempts += COLLECT_AFTER;
  await clock.advance(60_000);
  assert.equal(collections, 2);
  root.cancel("over");
  await running;
});

test("what much work needed is given back once it has rested for some seconds, and once only", async () => {
  const clock = new MockClock();
  const root = openRoot({ clock });
  let [runs, given, attempts] = [3, 0, 0];
  const parts = {
    ...{ attempts: () => attempts, rssBytes: () => 0, collect: () => {} },
    running: () => runs,
    giveBack: () => {
      given++;
    },
  };
  const running = assert.rejects(collectNowAndThen(parts, root.signal));
  await clock.advance(10_000);
  assert.equal(given, 0);
  runs = 0;
  await clock.advance(10_000);
  // What only the start needed.
  assert.equal(given, 1);
  attempts += WORTH_GIVING_BACK - 1;
  await clock.advance(60_000);
  assert.equal(given, 1);
  attempts += 1;
  await clock.advance(3_000);
  assert.equal(given, 1);
  runs = 1;
  await clock.advance(60_000);
  assert.equal(given, 1);
  runs = 0;
  await clock.advance(60_000);
  assert.equal(given, 2);
  root.cancel("over");
  await running;
});
