/** Which runs are under way: what a runner says of them is held against it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RunLedger } from "../../src/runner-protocol/run-ledger.ts";

test("a run is begun once and ended once, and whatever else is said of it is a fault", () => {
  const ledger = new RunLedger();
  const [first, second] = [ledger.open(), ledger.open()];
  assert.deepEqual([first, second, ledger.size], [1, 2, 2]);
  assert.equal(ledger.begin(second), null);
  assert.deepEqual([ledger.begun(), ledger.hasBegun(first), ledger.hasBegun(second)], [[2], false, true]);
  assert.equal(ledger.begin(second), "run 2 has begun twice");
  assert.equal(ledger.end(second, "done"), null);
  assert.equal(ledger.end(second, "failed"), "failed of run 2, which has ended");
  assert.equal(ledger.begin(second), "begun of run 2, which has ended");
  assert.equal(ledger.end(9, "done"), "done of run 9, which was never handed over");
  assert.equal(ledger.end(first, "stopped"), null);
  assert.equal(ledger.size, 0);
});

test("over any number of runs it says the same as a book that forgets nothing, and holds what is open alone", () => {
  const said = fc.record({ what: fc.constantFrom("open", "begin", "end"), run: fc.integer({ min: 1, max: 12 }) });
  fc.assert(
    fc.property(fc.array(said, { maxLength: 80 }), (steps) => {
      const ledger = new RunLedger();
      const states: ("open" | "begun" | "ended")[] = [];
      for (const { what, run } of steps) {
        const state = states[run - 1];
        if (what === "open") {
          states.push("open");
          assert.equal(ledger.open(), states.length);
        } else if (what === "begin") {
          assert.equal(ledger.begin(run) === null, state === "open");
          if (state === "open") states[run - 1] = "begun";
        } else {
          assert.equal(ledger.end(run, "done") === null, state === "open" || state === "begun");
          if (state !== undefined) states[run - 1] = "ended";
        }
      }
      assert.equal(ledger.size, states.filter((state) => state !== "ended").length);
      const begun = states.flatMap((state, index) => (state === "begun" ? [index + 1] : []));
      assert.deepEqual(ledger.begun(), begun);
    }),
  );
});
