/** When the promoter looks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openRoot, withNursery } from "../../../src/concurrency/index.ts";
import { Promoter } from "../../../src/executor/upkeep/promoter.ts";
import { quickEnough } from "../../stage/quick-enough.ts";
import { until } from "../../stage/until.ts";

test("it looks again as soon as a retry of our own is due, and not only at its next turn", async () => {
  const looks: number[] = [];
  const promoter = new Promoter({
    async promote() {
      looks.push(performance.now());
      return { promoted: 0, nextInMs: null };
    },
  });
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon((task) => promoter.run(task.scope));
    await until("it has looked", 5_000, () => looks.length > 0);
    await quickEnough("its next look", 300, async () => {
      const before = looks.length;
      const told = performance.now();
      promoter.expect(400);
      promoter.expect(20);
      await until("it looks again", 5_000, () => looks.length > before);
      const waited = (looks[before] ?? 0) - told;
      // A regular look may come first where this process was held up until that was due.
      return waited >= 19 ? waited : Number.POSITIVE_INFINITY;
    });
    nursery.scope.cancel("seen");
  });
});

test("a full batch means another look at once", async () => {
  const batches = [...Array.from({ length: 40 }, () => 200), 3];
  const promoter = new Promoter({
    promote: async () => ({ promoted: batches.shift() ?? 0, nextInMs: null }),
  });
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon((task) => promoter.run(task.scope));
    // Its regular turns would take 20 s.
    await until("all is promoted", 8_000, () => batches.length === 0);
    nursery.scope.cancel("seen");
  });
});

test("in a file of this machine a go queues a thousand, since each has a flush to the disk", async () => {
  const asked: number[] = [];
  const broker = (isRemote: boolean) => ({
    isRemote,
    promote: async (max: number) => {
      asked.push(max);
      return { promoted: 0, nextInMs: null };
    },
  });
  for (const isRemote of [false, true]) {
    await withNursery(openRoot(), async (nursery) => {
      const before = asked.length;
      nursery.startSoon((task) => new Promoter(broker(isRemote)).run(task.scope));
      await until("it has looked", 5_000, () => asked.length > before);
      nursery.scope.cancel("seen");
    });
  }
  assert.deepEqual([...new Set(asked)], [1_000, 200]);
});
