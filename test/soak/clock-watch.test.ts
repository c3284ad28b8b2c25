/** The soak knows of a step of the machine's clock, since stamps before and after it cannot be compared. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClockWatch } from "../../scripts/soak/clock-watch.ts";
import { openRoot, withNursery } from "../../src/concurrency/index.ts";
import { until } from "../stage/until.ts";

test("a clock that is put back by 425 ms is noticed, and one that stands right is not", async () => {
  const watch = new ClockWatch();
  const rightNow = Date.now;
  let looks = 0;
  // Beside the machine's own clock, which may be stepped just now.
  const steady = (): number => Math.round(performance.timeOrigin + performance.now());
  Date.now = () => {
    looks++;
    return steady();
  };
  try {
    await withNursery(openRoot(), async (nursery) => {
      nursery.startSoon(({ signal }) => watch.run(signal));
      await until("it has looked twice", 20_000, () => looks >= 6);
      assert.equal(watch.largestStepMs, 0);
      Date.now = () => steady() - 425;
      await until("it has seen the step", 20_000, () => watch.largestStepMs > 0);
      nursery.scope.cancel("seen");
    });
  } finally {
    Date.now = rightNow;
  }
  assert.ok(Math.abs(watch.largestStepMs - 425) < 5, `it says ${watch.largestStepMs} ms`);
});
