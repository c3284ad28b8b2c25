/** When abandoned tasks have cost too much. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openRoot, withNursery } from "../../../src/concurrency/index.ts";
import { Abandonment } from "../../../src/executor/leaving/abandonment.ts";
import { until } from "../../stage/until.ts";

const watch = (abandonedCount: number, limits: ConstructorParameters<typeof Abandonment>[1]) => {
  const running = { abandonedCount };
  const told: string[] = [];
  return { running, told, abandonment: new Abandonment(running, limits, (error) => told.push(error.message)) };
};

test("as many as the limit are lived with, one more is too many, and that is said once", () => {
  const { running, told, abandonment } = watch(10, { count: 10, slots: 100 });
  abandonment.counted();
  assert.deepEqual(told, []);
  running.abandonedCount = 11;
  abandonment.counted();
  abandonment.counted();
  assert.deepEqual(told, [
    "11 tasks ignore their cancel (limit 10): the executor leaves so that a fresh one can start",
  ]);
});

test("fewer than the limit are too many once they have held every slot for too long", async () => {
  const { running, told, abandonment } = watch(4, { count: 10, slots: 5, fullMs: 300 });
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon((task) => abandonment.run(task.signal));
    assert.equal(abandonment.isFull, false);
    running.abandonedCount = 5;
    assert.equal(abandonment.isFull, true);
    await until("it gives up", 5_000, () => told.length > 0);
    nursery.scope.cancel("seen");
  });
  assert.match(told[0] ?? "", /have held all 5 slots for 0 s: the executor leaves/);
});
