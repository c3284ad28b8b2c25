/** When the promoter looks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openRoot, withNursery } from "../../src/concurrency/index.ts";
import { Promoter } from "../../src/executor/promoter.ts";
import { until } from "../support/until.ts";

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
    await until("it has looked", 1_000, () => looks.length === 1);
    const told = performance.now();
    promoter.expect(300);
    promoter.expect(20);
    await until("it looks again", 1_000, () => looks.length === 2);
    const waited = (looks[1] ?? 0) - told;
    assert.ok(waited >= 19 && waited < 450, `it looked after ${waited} ms`);
    nursery.scope.cancel("seen");
  });
});

test("a full batch means another look at once", async () => {
  const batches = [100, 100, 3];
  const promoter = new Promoter({
    promote: async () => ({ promoted: batches.shift() ?? 0, nextInMs: null }),
  });
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon((task) => promoter.run(task.scope));
    const begun = performance.now();
    await until("all is promoted", 1_000, () => batches.length === 0);
    assert.ok(performance.now() - begun < 490, "it waited for its next turn");
    nursery.scope.cancel("seen");
  });
});
