// Deadlines of scopes: when they cancel, how they move, and that no timer outlives them.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Cancelled,
  failAfter,
  moveOnAfter,
  sleep,
  sleepForever,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { assertInstance, mockRoot, rejection, settle, thrown } from "./support.ts";

test("rule 42: a cancelled scope stays so, wherever its deadline moves", async () => {
  const { root, clock } = mockRoot();
  await withScope(root, { deadline: 10 }, async (scope) => {
    await clock.advance(10);
    assert.equal(scope.cancelCalled, true);
    scope.deadline = Infinity;
    assert.equal(scope.signal.aborted, true);
    scope.deadline = 100;
    assert.equal(scope.deadline, 100);
    assert.equal(clock.pendingTimers, 0, "there is nothing to wait for");
    await clock.advance(100);
    assert.equal(scope.signal.reason.source, "deadline");
  });
  assert.equal(clock.pendingTimers, 0);
});

test("rules 42 and 43: no timer runs for the deadline of a scope that was cancelled or left", async () => {
  const { root, clock } = mockRoot();
  let kept = root;
  await withScope(root, { deadline: 10 }, async (scope) => {
    kept = scope;
    assert.equal(clock.pendingTimers, 1);
    scope.cancel();
    assert.equal(clock.pendingTimers, 0);
  });
  kept.deadline = 100;
  assert.equal(clock.pendingTimers, 0);
  await withScope(root, {}, async (scope) => {
    kept = scope;
  });
  kept.deadline = 100;
  assert.equal(clock.pendingTimers, 0);
});

test("rules 36 and 43: a cancel from outside takes the timers of all the deadlines that it reaches", async () => {
  const { root, clock } = mockRoot();
  await withScope(root, {}, (outer) =>
    withScope(outer, { deadline: 10 }, (reached) =>
      withScope(reached, { deadline: 20, shield: true }, (shielded) =>
        withScope(shielded, { deadline: 30 }, async (inside) => {
          assert.equal(clock.pendingTimers, 3);
          outer.cancel();
          assert.equal(clock.pendingTimers, 2, "behind the shield time runs on");
          await withScope(reached, { deadline: 40 }, async () => assert.equal(clock.pendingTimers, 2));
          reached.deadline = 15;
          assert.equal(clock.pendingTimers, 2);
          shielded.unshield();
          assert.equal(clock.pendingTimers, 0);
          assert.deepEqual(
            [reached, shielded, inside].map(({ cancelCalled }) => cancelCalled),
            [false, false, false],
          );
          await clock.advance(20);
          assert.deepEqual(
            [reached, shielded, inside].map(({ cancelCalled }) => cancelCalled),
            [true, true, false],
            "a deadline that has passed counts, although nothing waited for it",
          );
        }),
      ),
    ),
  );
});

test("rule 43: the deadline defaults to Infinity, can be moved, and in the past cancels at once", async () => {
  const { root, clock } = mockRoot();
  await withScope(root, {}, async (scope) => {
    assert.equal(scope.deadline, Infinity);
    scope.deadline = 10;
    scope.deadline = 20;
    await clock.advance(15);
    assert.equal(scope.cancelCalled, false);
    await clock.advance(5);
    assert.equal(scope.cancelCalled, true);
    assertInstance(scope.signal.reason, Cancelled);
    assert.equal(scope.signal.reason.source, "deadline");
  });
  await withScope(root, {}, async (scope) => {
    scope.deadline = clock.now() - 1;
    assert.equal(scope.cancelCalled, true);
  });
  await withScope(root, { deadline: clock.now() }, async (scope) => assert.equal(scope.cancelCalled, true));
  assert.equal(clock.pendingTimers, 0);
});

test("rule 43: root and nursery have deadlines, too", async () => {
  const { root, clock } = mockRoot();
  root.deadline = 30;
  const block = withScope(root, {}, () =>
    withNursery(root, async (nursery) => {
      nursery.scope.deadline = 10;
      await sleepForever(nursery.scope.signal);
    }),
  );
  await clock.advance(10);
  assert.deepEqual(await block, { cancelled: false, value: undefined });
  await clock.advance(20);
  assert.equal(root.cancelCalled, true);
});

test("rule 44: effectiveDeadline is the minimum over unshielded ancestors", async () => {
  const { root } = mockRoot();
  assert.equal(root.effectiveDeadline, Infinity);
  await withScope(root, { deadline: 5 }, async (outer) => {
    await withScope(outer, { deadline: 10 }, async (inner) => {
      assert.equal(inner.effectiveDeadline, 5);
      inner.deadline = 3;
      assert.equal(inner.effectiveDeadline, 3);
      inner.deadline = 10;
      assert.equal(inner.effectiveDeadline, 5);
    });
    await withScope(outer, { deadline: 10, shield: true }, async (shielded) => {
      assert.equal(shielded.effectiveDeadline, 10);
      await withScope(shielded, {}, async (inside) => assert.equal(inside.effectiveDeadline, 10));
      shielded.unshield();
      assert.equal(shielded.effectiveDeadline, 5);
      outer.cancel();
      assert.equal(shielded.effectiveDeadline, -Infinity, "no time is left in a cancelled scope");
    });
  });
});

test("rule 45: NaN and negative durations throw RangeError", async () => {
  const { root } = mockRoot();
  const body = async () => assert.fail("must not run");
  for (const ms of [Number.NaN, -1, -Infinity]) {
    assertInstance(await rejection(moveOnAfter(root, ms, body)), RangeError);
    assertInstance(await rejection(failAfter(root, ms, body)), RangeError);
    assertInstance(await rejection(sleep(ms, root.signal)), RangeError);
    assertInstance(await rejection(withNursery(root, body, { graceMs: ms })), RangeError);
  }
  assertInstance(await rejection(withScope(root, { deadline: Number.NaN }, body)), RangeError);
  await withScope(root, {}, async (scope) => {
    assertInstance(
      thrown(() => {
        scope.deadline = Number.NaN;
      }),
      RangeError,
    );
    assert.equal(scope.deadline, Infinity);
  });
});

test("rule 45: a deadline that is refused leaves nothing open: the block around it can be left", async () => {
  const { root } = mockRoot();
  let left = false;
  const block = withScope(root, {}, async (outer) => {
    const refused = withScope(outer, { deadline: Number.NaN }, async () => assert.fail("must not run"));
    assertInstance(await rejection(refused), RangeError);
  }).then(() => {
    left = true;
  });
  await settle();
  assert.equal(left, true);
  await block;
});

test("rule 46: a relative deadline counts from entry", async () => {
  const { root, clock } = mockRoot();
  await clock.advance(100);
  await moveOnAfter(root, 50, async (scope) => assert.equal(scope.deadline, 150));
  await clock.advance(100);
  await failAfter(root, 50, async (scope) => assert.equal(scope.deadline, 250));
});

test("rule 48: moving a deadline 100 000 times leaks nothing", async () => {
  const { root, clock } = mockRoot();
  await withScope(root, {}, async (scope) => {
    for (let i = 1; i <= 100_000; i++) scope.deadline = i;
    assert.equal(clock.pendingTimers, 1);
    scope.deadline = Infinity;
    assert.equal(clock.pendingTimers, 0);
    scope.deadline = 7;
  });
  assert.equal(clock.pendingTimers, 0);
});
