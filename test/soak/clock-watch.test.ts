/** The soak knows of a step of the machine's clock, since stamps before and after it cannot be compared. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClockWatch } from "../../scripts/soak/clock-watch.ts";
import { openRoot, withNursery } from "../../src/concurrency/index.ts";
import { until } from "../support/until.ts";

test("a clock that is put back by 425 ms is noticed, and one that stands right is not", async () => {
  const watch = new ClockWatch();
  const rightNow = Date.now;
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon(({ signal }) => watch.run(signal));
    try {
      let looks = 0;
      Date.now = () => {
        looks++;
        return rightNow();
      };
      await until("it has looked twice", 5_000, () => looks >= 6);
      assert.equal(watch.largestStepMs, 0);
      Date.now = () => rightNow() - 425;
      await until("it has seen the step", 5_000, () => watch.largestStepMs > 0);
    } finally {
      Date.now = rightNow;
      nursery.scope.cancel("seen");
    }
  });
  assert.ok(Math.abs(watch.largestStepMs - 425) < 5, `it says ${watch.largestStepMs} ms`);
});
