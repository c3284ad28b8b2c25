/** How many runs are handed ahead to a runner, by how long the ones before have taken. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MOST_AHEAD, Pace } from "../../src/runners/pace.ts";

/** A pace after runs that took so long each, in ms. */
function after(...took: readonly number[]): Pace {
  const pace = new Pace();
  let now = performance.now();
  for (const ms of took) {
    pace.began(now);
    pace.ended(now + ms, now);
    now += ms;
  }
  return pace;
}

test("as many as are wanted at least where nothing is known", () => {
  assert.equal(after().ahead(2), 2);
});

test("one more with each quick run, up to a bound", () => {
  assert.equal(after(1, 1).ahead(2), 4);
  assert.equal(after(...new Array(100).fill(1)).ahead(2), MOST_AHEAD);
});

test("as few as before after one that was not quick", () => {
  assert.equal(after(1, 1, 1, 1, 20).ahead(2), 2);
  assert.equal(after(1, 1, 1, 1, 20, 1).ahead(2), 3);
});

test("none where none are wanted, and never fewer than are", () => {
  assert.equal(after(1, 1, 1).ahead(0), 0);
  assert.equal(after(1, 1, 1).ahead(20), 20);
});

test("what takes long is slow until something ends", () => {
  const pace = new Pace();
  pace.began(performance.now() - 1_000);
  assert.equal(pace.isSlow, true);
  pace.ended(performance.now(), performance.now() - 1_000);
  assert.equal(pace.isSlow, false);
});

test("a few are handed over at once: from half empty until it is full", () => {
  const pace = after();
  assert.deepEqual(
    [8, 7, 5, 4, 5, 7, 8, 7].map((waiting) => pace.fills(waiting, 8)),
    [false, false, false, true, true, true, false, false],
  );
});
