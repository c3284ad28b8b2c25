import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CapacityLimiter,
  Latch,
  type Permit,
  WouldBlockError,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { assertInstance, deaf, mockRoot, rejection, settle, thrown } from "./support.ts";

test("rule 72: a latch, once set, stays so and wakes all waiters", async () => {
  const { root } = mockRoot();
  const latch = new Latch();
  const record: string[] = [];
  assert.equal(latch.isSet, false);
  const waits = ["a", "b", "c"].map((name) => latch.wait(root.signal).then(() => record.push(name)));
  await settle();
  assert.deepEqual(record, []);
  latch.set();
  latch.set();
  await Promise.all(waits);
  assert.deepEqual(record, ["a", "b", "c"]);
  assert.equal(latch.isSet, true);
  await latch.wait(root.signal);
});

test("rule 72: a wait for a latch can be cancelled without harm to the others", async () => {
  const { root } = mockRoot();
  const latch = new Latch();
  const kept = latch.wait(root.signal);
  const outcome = await withScope(root, {}, async (scope) => {
    setImmediate(() => scope.cancel());
    await latch.wait(scope.signal);
  });
  assert.equal(outcome.cancelled, true);
  latch.set();
  await kept;
});

test("rule 73: a freed token goes to the first waiter, and nobody barges in", async () => {
  const { root } = mockRoot();
  const limiter = new CapacityLimiter(1);
  const held = await limiter.acquire(root.signal);
  const order: string[] = [];
  const wait = async (name: string) => {
    const permit = await limiter.acquire(root.signal);
    order.push(name);
    permit.release();
  };
  const waits = [wait("first"), wait("second")];
  await settle();
  held.release();
  assertInstance(
    thrown(() => limiter.acquireNowait()),
    WouldBlockError,
  );
  const late = wait("late");
  await Promise.all([...waits, late]);
  assert.deepEqual(order, ["first", "second", "late"]);
  assert.equal(limiter.availableTokens, 1);
});

test("rule 73: never more than the total run at once", async () => {
  const { root } = mockRoot();
  const limiter = new CapacityLimiter(3);
  let running = 0;
  let most = 0;
  await withNursery(root, async (nursery) => {
    for (let i = 0; i < 20; i++) {
      nursery.startSoon((task) =>
        limiter.withPermit(task.signal, async () => {
          most = Math.max(most, ++running);
          await settle();
          running--;
        }),
      );
    }
  });
  assert.equal(most, 3);
  assert.deepEqual(limiter.statistics(), { totalTokens: 3, borrowedTokens: 0, waiting: 0 });
});

test("rule 74: a permit released twice throws", async () => {
  const limiter = new CapacityLimiter(2);
  const permit = limiter.acquireNowait();
  permit.release();
  assert.match(String(thrown(() => permit.release())), /released already/);
  assert.equal(limiter.borrowedTokens, 0);
});

test("rule 74: disposing of a permit releases it, unless that has happened", () => {
  const limiter = new CapacityLimiter(1);
  const permit = limiter.acquireNowait();
  permit[Symbol.dispose]();
  assert.equal(limiter.borrowedTokens, 0);
  permit[Symbol.dispose]();
  assert.equal(limiter.borrowedTokens, 0);
});

test("rule 75: raising the total wakes waiters", async () => {
  const { root } = mockRoot();
  const limiter = new CapacityLimiter(1);
  const permits: Permit[] = [limiter.acquireNowait()];
  const waits = [1, 2, 3].map(() => limiter.acquire(root.signal).then((permit) => permits.push(permit)));
  await settle();
  assert.equal(limiter.statistics().waiting, 3);
  limiter.totalTokens = 3;
  await settle();
  assert.equal(permits.length, 3);
  limiter.totalTokens = Infinity;
  await Promise.all(waits);
  assert.equal(limiter.borrowedTokens, 4);
});

test("rule 75: lowering the total drains the debt first", async () => {
  const { root } = mockRoot();
  const limiter = new CapacityLimiter(3);
  const held = [limiter.acquireNowait(), limiter.acquireNowait(), limiter.acquireNowait()];
  limiter.totalTokens = 1;
  assert.equal(limiter.availableTokens, -2);
  let served = false;
  const wait = limiter.acquire(root.signal).then((permit) => {
    served = true;
    return permit;
  });
  for (const permit of held) {
    await settle();
    assert.equal(served, false);
    permit.release();
  }
  (await wait).release();
  assert.equal(limiter.availableTokens, 1);
});

test("rule 75: the total is an integer >= 0 or Infinity", () => {
  for (const total of [-1, 1.5, Number.NaN]) {
    assertInstance(
      thrown(() => new CapacityLimiter(total)),
      RangeError,
    );
    const limiter = new CapacityLimiter(1);
    assertInstance(
      thrown(() => {
        limiter.totalTokens = total;
      }),
      RangeError,
    );
    assert.equal(limiter.totalTokens, 1);
  }
});

test("rule 76: zero tokens means paused", async () => {
  const { root } = mockRoot();
  const limiter = new CapacityLimiter(0);
  assertInstance(
    thrown(() => limiter.acquireNowait()),
    WouldBlockError,
  );
  let served = false;
  const wait = limiter.acquire(root.signal).then(() => {
    served = true;
  });
  await settle();
  assert.equal(served, false);
  limiter.totalTokens = 1;
  await wait;
});

test("rule 77: a cancelled acquire leaves no record", async () => {
  const { root } = mockRoot();
  const limiter = new CapacityLimiter(1);
  const held = limiter.acquireNowait();
  const outcome = await withScope(root, {}, async (scope) => {
    setImmediate(() => scope.cancel());
    await limiter.acquire(scope.signal);
  });
  assert.equal(outcome.cancelled, true);
  assert.deepEqual(limiter.statistics(), { totalTokens: 1, borrowedTokens: 1, waiting: 0 });
  held.release();
  assert.equal(limiter.borrowedTokens, 0);
});

test("rule 77: a token that was handed over beats the abort, and is given back", async () => {
  const { root } = mockRoot();
  const limiter = new CapacityLimiter(1);
  const held = limiter.acquireNowait();
  await withScope(root, {}, async (scope) => {
    const run = limiter.withPermit(scope.signal, () => limiter.borrowedTokens);
    await settle();
    held.release();
    scope.cancel();
    assert.equal(await run, 1);
  });
  assert.equal(limiter.borrowedTokens, 0);
});

test("rule 78: withPermit releases however its function ends, and not before", async () => {
  const { root } = mockRoot();
  const limiter = new CapacityLimiter(1);
  const gate = deaf();
  const error = new Error("failed");
  const run = limiter.withPermit(root.signal, () => gate.promise);
  await settle();
  assert.equal(limiter.borrowedTokens, 1);
  gate.reject(error);
  assert.equal(await rejection(run), error);
  assert.equal(limiter.borrowedTokens, 0);
  const sync = limiter.withPermit(root.signal, () => {
    throw error;
  });
  assert.equal(await rejection(sync), error);
  assert.equal(limiter.borrowedTokens, 0);
});
