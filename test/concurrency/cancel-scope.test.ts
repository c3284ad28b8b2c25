import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as nodeSleep } from "node:timers/promises";
import {
  type AbandonedTask,
  AbandonedTaskError,
  abortable,
  Cancelled,
  CancelScope,
  CapacityLimiter,
  ClosedResourceError,
  checkpoint,
  failAfter,
  findError,
  flattenErrors,
  isCancellation,
  moveOnAfter,
  type Nursery,
  NurseryError,
  openRoot,
  sleep,
  sleepForever,
  splitErrors,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { assertInstance, countListeners, deaf, mockRoot, rejection, settle, thenable, thrown } from "./support.ts";

test("rule 30: cancel is idempotent, and the first reason wins", async () => {
  const { root } = mockRoot();
  let aborts = 0;
  root.signal.addEventListener("abort", () => aborts++);
  root.cancel("first");
  root.cancel("second");
  assert.equal(aborts, 1);
  assert.equal(root.signal.reason.reason, "first");
  assert.equal(root.cancelCalled, true);

  const outcome = await withScope(openRoot(), {}, async (scope) => {
    scope.cancel("first");
    scope.cancel("second");
    await checkpoint(scope.signal);
  });
  assert.equal(outcome.cancelled && outcome.reason.reason, "first");
});

test("rule 31: cancellation is level-triggered: every later signal-aware wait fails again", async () => {
  const { root } = mockRoot();
  root.cancel();
  const { signal } = root;
  const errors = [
    await rejection(checkpoint(signal)),
    await rejection(sleepForever(signal)),
    await rejection(sleep(5, signal)),
    await rejection(checkpoint(signal)),
  ];
  for (const error of errors) assert.equal(error, signal.reason);
});

test("rule 32: cancelCalled differs from cancelledCaught; a cancel after the value is ready leaves the value", async () => {
  const { root } = mockRoot();
  let kept = root;
  const outcome = await withScope(root, {}, async (scope) => {
    kept = scope;
    scope.cancel();
    return "ready";
  });
  assert.deepEqual(outcome, { cancelled: false, value: "ready" });
  assert.equal(kept.cancelCalled, true);
  assert.equal(kept.cancelledCaught, false);

  const cut = await withScope(root, {}, async (scope) => {
    kept = scope;
    scope.cancel();
    await checkpoint(scope.signal);
  });
  assert.equal(cut.cancelled, true);
  assert.equal(kept.cancelledCaught, true);
});

test("rules 32 and 17: a task's own scope says that it absorbed its cancel, and no more than that", async () => {
  const scopes: CancelScope[] = [];
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon((task) => {
      scopes.push(task.scope);
      task.scope.cancel();
      return sleepForever(task.signal);
    });
    await settle();
    nursery.startSoon((task) => {
      scopes.push(task.scope);
      return sleepForever(task.signal);
    });
    await settle();
    nursery.scope.cancel();
  });
  assert.deepEqual(
    scopes.map((scope) => [scope.cancelCalled, scope.cancelledCaught]),
    [
      [true, true],
      [false, false],
    ],
  );
});

test("rule 33: a scope absorbs only its own cancel", async () => {
  const { root } = mockRoot();
  const record: string[] = [];
  const outcome = await withScope(root, {}, async (outer) => {
    const inner = await withScope(outer, {}, async (middle) => {
      record.push("inside");
      outer.cancel("the outer one");
      await checkpoint(middle.signal);
    });
    record.push(`not reached ${inner.cancelled}`);
  });
  assert.ok(outcome.cancelled);
  assert.equal(outcome.reason.reason, "the outer one");
  assert.deepEqual(record, ["inside"]);
});

test("rule 33: where an outer cancel is visible, the outer wins, even when the inner came first", async () => {
  for (const order of ["inner first", "outer first"]) {
    const { root } = mockRoot();
    let innerScope = root;
    const outcome = await withScope(root, {}, async (outer) => {
      await withScope(outer, {}, async (inner) => {
        innerScope = inner;
        if (order === "inner first") inner.cancel("inner");
        outer.cancel("outer");
        if (order === "outer first") inner.cancel("inner");
        await checkpoint(inner.signal);
      });
      assert.fail("the inner scope must not absorb it");
    });
    assert.ok(outcome.cancelled);
    assert.equal(outcome.reason.reason, "outer");
    assert.equal(innerScope.cancelCalled, true);
    assert.equal(innerScope.cancelledCaught, false);
  }
});

test("rule 33: a nursery, too, lets a visible outer cancel win over its own", async () => {
  const { root } = mockRoot();
  const outcome = await withScope(root, {}, async (outer) => {
    await withNursery(outer, async (nursery) => {
      nursery.startSoon((task) => sleepForever(task.signal));
      nursery.scope.cancel("inner");
      outer.cancel("outer");
    });
    assert.fail("the nursery must not absorb it");
  });
  assert.ok(outcome.cancelled);
  assert.equal(outcome.reason.reason, "outer");
});

test("rule 33: a scope does not absorb an AbortError that an outer cancel caused", async () => {
  const { root } = mockRoot();
  let escaped: unknown;
  const outcome = await withScope(root, {}, async (outer) => {
    const block = withScope(outer, {}, (inner) => nodeSleep(60_000, undefined, { signal: inner.signal }));
    outer.cancel("outer");
    escaped = await rejection(block);
    throw escaped;
  });
  assert.ok(outcome.cancelled);
  assert.equal(escaped, outcome.reason, "it leaves as the Cancelled it stands for");
});

test("rule 33: the AbortError of a foreign wait counts as the cancel of the scope whose signal it was given", async () => {
  const { root } = mockRoot();
  const outcome = await withScope(root, {}, async (scope) => {
    queueMicrotask(() => scope.cancel("stop waiting"));
    await nodeSleep(60_000, undefined, { signal: scope.signal });
  });
  assert.ok(outcome.cancelled);
  assert.equal(outcome.reason.reason, "stop waiting");
});

test("rule 33: a fetch that is cancelled rejects with the Cancelled itself", async () => {
  const outcome = await withScope(openRoot(), {}, async (scope) => {
    scope.cancel("no request");
    await fetch("http://127.0.0.1:9/", { signal: scope.signal });
  });
  assert.ok(outcome.cancelled);
});

test("rule 33: an AbortError in a scope that is not cancelled is an error like any other", async () => {
  const error = new DOMException("somebody else's", "AbortError");
  const scoped = withScope(openRoot(), {}, async () => {
    throw error;
  });
  assert.equal(await rejection(scoped), error);
  const group = await rejection(
    withNursery(openRoot(), async () => {
      throw error;
    }),
  );
  assert.deepEqual(flattenErrors(group), [error]);
});

test("rule 33: a Cancelled of another tree, or of another branch, is a failure", async () => {
  const stranger = openRoot();
  stranger.cancel();
  const { root } = mockRoot();
  const scoped = withScope(root, {}, async (scope) => {
    scope.cancel();
    await checkpoint(stranger.signal);
  });
  assert.equal(await rejection(scoped), stranger.signal.reason);
  const group = await rejection(
    withNursery(root, async (nursery) => {
      nursery.startSoon(() => checkpoint(stranger.signal));
    }),
  );
  assert.deepEqual(flattenErrors(group), [stranger.signal.reason]);

  const branch = await rejection(
    withNursery(root, async (nursery) => {
      let sibling = root;
      nursery.startSoon((task) => {
        sibling = task.scope;
        task.scope.cancel();
      });
      nursery.startSoon(() => checkpoint(sibling.signal));
    }),
  );
  assert.equal(flattenErrors(branch).length, 1);
});

test("rule 33: isCancellation says which errors mean nothing but the cancel of a scope", async () => {
  const { root } = mockRoot();
  await withScope(root, {}, async (scope) => {
    const abort = new DOMException("x", "AbortError");
    assert.equal(isCancellation(abort, scope), false);
    scope.cancel();
    const { reason } = scope.signal;
    assert.equal(isCancellation(reason, scope), true);
    assert.equal(isCancellation(reason, root), false, "root lies further out: to it the cancel is a stranger");
    assert.equal(isCancellation(abort, scope), true);
    assert.equal(isCancellation(new Error("wrapped", { cause: reason }), scope), true);
    assert.equal(isCancellation(new Error("plain"), scope), false);
    assert.equal(isCancellation(undefined, scope), false);
    assert.equal(isCancellation(new NurseryError([reason, abort]), scope), true);
    assert.equal(isCancellation(new NurseryError([reason, new Error("plain")]), scope), false);
  });
});

test("rule 33: a task's own scope absorbs its own cancel: the siblings go on", async () => {
  const record: string[] = [];
  await withNursery(openRoot(), async (nursery) => {
    nursery.startSoon(async (task) => {
      task.scope.cancel();
      await checkpoint(task.signal);
    });
    nursery.startSoon(async (task) => {
      await settle();
      record.push(`sibling ${task.signal.aborted}`);
    });
  });
  assert.deepEqual(record, ["sibling false"]);
});

test("rule 34: real errors pass, and cancelledCaught stays false", async () => {
  const { root } = mockRoot();
  const error = new Error("real");
  let kept = root;
  const left = await rejection(
    withScope(root, {}, async (scope) => {
      kept = scope;
      scope.cancel();
      throw error;
    }),
  );
  assert.equal(left, error);
  assert.equal(kept.cancelCalled, true);
  assert.equal(kept.cancelledCaught, false);
});

test("rule 35: cancellations are stripped from a group, and the rest stays grouped", async () => {
  const { root } = mockRoot();
  const [one, two] = [new Error("one"), new Error("two")];
  let kept = root;
  const left = await rejection(
    withScope(root, {}, async (scope) => {
      kept = scope;
      scope.cancel();
      const { reason } = scope.signal;
      throw new NurseryError([new NurseryError([one, reason]), reason, two]);
    }),
  );
  assertInstance(left, NurseryError);
  assert.equal(left.errors.length, 2);
  assertInstance(left.errors[0], NurseryError);
  assert.deepEqual(left.errors[0].errors, [one]);
  assert.equal(left.errors[1], two);
  assert.equal(kept.cancelledCaught, true);
});

test("rule 35: a group of nothing but cancellations is absorbed, an AggregateError of Promise.any too", async () => {
  const { root } = mockRoot();
  const outcome = await withScope(root, {}, async (scope) => {
    queueMicrotask(() => scope.cancel());
    await Promise.any([sleepForever(scope.signal), nodeSleep(60_000, undefined, { signal: scope.signal })]);
  });
  assert.equal(outcome.cancelled, true);
});

test("rule 35: an outer cancel takes the place of the scope's own in a group", async () => {
  const { root } = mockRoot();
  const error = new Error("real");
  let left: unknown;
  let reason: unknown;
  const passed = await rejection(
    withScope(root, {}, async (outer) => {
      left = await rejection(
        withScope(outer, {}, async (inner) => {
          inner.cancel("inner");
          outer.cancel("outer");
          throw new NurseryError([error, inner.signal.reason]);
        }),
      );
      ({ reason } = outer.signal);
      throw left;
    }),
  );
  assertInstance(left, NurseryError);
  assert.deepEqual(left.errors, [error, reason]);
  assertInstance(passed, NurseryError);
  assert.deepEqual(passed.errors, [error]);
});

test("rules 35 and 36: behind a shield an outer Cancelled that was thrown there goes on, beside the scope's own", async () => {
  const { root } = mockRoot();
  const error = new Error("real");
  const left: unknown[] = [];
  const caught: boolean[] = [];
  let outside: unknown;
  await withScope(root, {}, async (outer) => {
    outer.cancel("outer");
    outside = outer.signal.reason;
    for (const others of [[], [error]]) {
      let shielded = outer;
      left.push(
        await rejection(
          withScope(outer, { shield: true }, (scope) => {
            shielded = scope;
            scope.cancel("own");
            throw new AggregateError([outside, scope.signal.reason, ...others]);
          }),
        ),
      );
      caught.push(shielded.cancelledCaught);
    }
  });
  const [alone, beside] = left;
  assert.equal(alone, outside);
  assertInstance(beside, NurseryError);
  assert.deepEqual(flattenErrors(beside), [error, outside]);
  assert.deepEqual(caught, [true, true]);
});

test("rules 33 and 36: a shielded scope does not absorb an outer Cancelled that was thrown in it", async () => {
  const { root } = mockRoot();
  let shielded = root;
  const outcome = await withScope(root, {}, async (outer) => {
    outer.cancel("outer");
    await withScope(outer, { shield: true }, (scope) => {
      shielded = scope;
      scope.cancel("own");
      throw outer.signal.reason;
    });
    return "not reached";
  });
  assert.equal(outcome.cancelled && outcome.reason.reason, "outer");
  assert.equal(shielded.cancelledCaught, false);
});

test("rules 4 and 36: an outer Cancelled thrown behind a shield cancels the siblings, and leaves as it came", async () => {
  const { root } = mockRoot();
  const record: string[] = [];
  let left: unknown;
  const outcome = await withScope(root, {}, (outer) =>
    withScope(outer, { shield: true }, async (shielded) => {
      outer.cancel("outer");
      left = await rejection(
        withNursery(shielded, (nursery) => {
          nursery.startSoon(() => {
            throw outer.signal.reason;
          });
          nursery.startSoon(async (task) => {
            const error = await rejection(sleepForever(task.signal));
            record.push(`${findError(error, Cancelled)?.source}`);
            throw error;
          });
        }),
      );
      throw left;
    }),
  );
  assert.deepEqual(record, ["nursery"], "the sibling saw the cancel of the nursery");
  assert.equal(outcome.cancelled && outcome.reason, left);
});

test("rule 35: splitErrors keeps the nesting and hands an unchanged group back as it is", () => {
  const group = new NurseryError([1, new NurseryError([2, new AggregateError([3, 4], "inner")]), 5]);
  const [odd, even] = splitErrors(group, (error) => Number(error) % 2 === 1);
  assertInstance(odd, NurseryError);
  assertInstance(odd.errors[1], NurseryError);
  assertInstance(odd.errors[1].errors[0], AggregateError);
  assert.equal(odd.errors[1].errors[0].message, "inner");
  assert.deepEqual(flattenErrors(odd), [1, 3, 5]);
  assert.deepEqual(flattenErrors(even), [2, 4]);
  assert.deepEqual(
    splitErrors(group, () => true),
    [group, undefined],
  );
  assert.equal(splitErrors(group, () => false)[1], group);
  assert.equal(findError(group, NurseryError), group);
  assert.equal(findError(new NurseryError([1]), TypeError), undefined);
  const empty = new AggregateError([]);
  assert.deepEqual(flattenErrors(empty), [empty]);
});

test("rule 36: a shield blocks the outer cancel, not its own, not an inner one", async () => {
  const { root } = mockRoot();
  const record: string[] = [];
  const outcome = await withScope(root, {}, async (outer) => {
    outer.cancel();
    const shielded = await withScope(outer, { shield: true }, async (shield) => {
      assert.equal(shield.shield, true);
      await checkpoint(shield.signal);
      record.push("the outer cancel is kept out");
      const inner = await withScope(shield, {}, async (scope) => {
        scope.cancel();
        await checkpoint(scope.signal);
      });
      record.push(`inner cancelled: ${inner.cancelled}`);
      shield.cancel("own");
      await checkpoint(shield.signal);
    });
    record.push(`own cancelled: ${shielded.cancelled}`);
    await checkpoint(outer.signal);
  });
  assert.equal(outcome.cancelled, true);
  assert.deepEqual(record, ["the outer cancel is kept out", "inner cancelled: true", "own cancelled: true"]);
});

test("rule 37: unshielding delivers the pending cancel", async () => {
  const { root } = mockRoot();
  const outcome = await withScope(root, {}, async (outer) => {
    await withScope(outer, { shield: true }, async (scope) => {
      const wait = withScope(scope, {}, (inner) => sleepForever(inner.signal));
      outer.cancel("pending");
      assert.equal(scope.signal.aborted, false);
      scope.unshield();
      assert.equal(scope.signal.reason, outer.signal.reason);
      await wait;
    });
  });
  assert.ok(outcome.cancelled);
  assert.equal(outcome.reason.reason, "pending");
});

test("rule 37: a shield taken away in an abort listener of the outer scope lets the cancel in", async () => {
  const { root } = mockRoot();
  const outcome = await withScope(root, {}, (outer) =>
    withScope(outer, { shield: true }, async (scope) => {
      outer.signal.addEventListener("abort", () => scope.unshield());
      outer.cancel("outer");
      assert.equal(scope.signal.reason, outer.signal.reason);
      await sleepForever(scope.signal);
    }),
  );
  assert.equal(outcome.cancelled && outcome.reason.reason, "outer");
});

test("rules 16 and 30: a cancel marks all it reaches before any listener runs, and then tells them from the top", async () => {
  const { root } = mockRoot();
  const record: string[] = [];
  const outcome = await withScope(root, {}, (outer) =>
    withNursery(outer, async (nursery) => {
      const scopes = new Map([
        ["outer", outer],
        ["nursery", nursery.scope],
      ]);
      for (const name of ["first", "second"]) {
        nursery.startSoon((task) => {
          scopes.set(name, task.scope);
          return sleepForever(task.signal);
        });
      }
      await settle();
      for (const [name, scope] of scopes) {
        scope.signal.addEventListener("abort", () => {
          record.push(name);
          for (const [other, { effectiveDeadline }] of scopes) {
            if (effectiveDeadline !== -Infinity) record.push(`${other} is not marked yet`);
          }
        });
      }
      outer.cancel();
    }),
  );
  assert.equal(outcome.cancelled, true);
  assert.deepEqual(record, ["outer", "nursery", "first", "second"]);
});

test("rules 30 and 33: an abort listener may cancel the scope around: the outer cancel wins", async () => {
  const { root } = mockRoot();
  let inner = root;
  const outcome = await withScope(root, {}, (outer) =>
    withScope(outer, {}, async (scope) => {
      inner = scope;
      scope.signal.addEventListener("abort", () => outer.cancel("from a listener"));
      scope.cancel("inner");
      await sleepForever(scope.signal);
    }),
  );
  assert.equal(outcome.cancelled && outcome.reason.reason, "from a listener");
  assert.equal(inner.cancelCalled, true);
  assert.equal(inner.cancelledCaught, false);
});

test("rule 12: a child started in an abort listener still begins, with an aborted signal", async () => {
  const error = new Error("broken");
  let aborted: boolean | undefined;
  const group = await rejection(
    withNursery(openRoot(), (nursery) => {
      nursery.scope.signal.addEventListener("abort", () => {
        nursery.startSoon((task) => {
          aborted = task.signal.aborted;
        });
      });
      nursery.startSoon(() => {
        throw error;
      });
    }),
  );
  assert.equal(aborted, true);
  assert.deepEqual(flattenErrors(group), [error]);
});

test("rule 38: who needs a shield after the delivery opens a new shielded scope", async () => {
  const { root } = mockRoot();
  const record: string[] = [];
  await withScope(root, {}, async (outer) => {
    outer.cancel();
    try {
      await checkpoint(outer.signal);
    } finally {
      await withScope(outer, { shield: true }, async (cleanUp) => {
        await checkpoint(cleanUp.signal);
        record.push("cleaned up");
      });
    }
  });
  assert.deepEqual(record, ["cleaned up"]);
});

test("rule 39: a shield only ever goes from true to false", async () => {
  await withScope(openRoot(), { shield: true }, async (scope) => {
    scope.unshield();
    assert.equal(scope.shield, false);
    scope.unshield();
    assert.equal(scope.shield, false);
    assert.equal(Reflect.set(scope, "shield", true), false);
    assert.equal(scope.shield, false);
  });
});

test("rule 40: a scope whose parent is already cancelled starts cancelled", async () => {
  const { root } = mockRoot();
  root.cancel();
  let kept: CancelScope | undefined;
  const error = await rejection(
    withScope(root, {}, async (scope) => {
      kept = scope;
      assert.equal(scope.signal.aborted, true);
      assert.equal(scope.signal.reason, root.signal.reason);
      await checkpoint(scope.signal);
    }),
  );
  assert.equal(error, root.signal.reason);
  assert.equal(kept?.cancelCalled, false);
});

test("rule 40: a root opened with an aborted signal starts cancelled, and follows one that aborts later", async () => {
  const late = new AbortController();
  const [now, later] = [openRoot({ signal: AbortSignal.abort("gone") }), openRoot({ signal: late.signal })];
  assert.equal(now.cancelCalled, true);
  assert.equal(later.cancelCalled, false);
  const cause = new Error("SIGTERM");
  late.abort(cause);
  assertInstance(later.signal.reason, Cancelled);
  assert.equal(later.signal.reason.source, "signal");
  assert.equal(later.signal.reason.reason, "SIGTERM");
  assert.equal(later.signal.reason.cause, cause);
});

test("rule 40: a root that is cancelled takes its listener off the signal that it followed", () => {
  for (const how of ["by a call", "by its deadline", "by the signal"]) {
    const followed = new AbortController();
    const listeners = countListeners(followed.signal);
    const root = openRoot({ signal: followed.signal });
    assert.equal(listeners(), 1);
    if (how === "by a call") root.cancel();
    else if (how === "by its deadline") root.deadline = 0;
    else followed.abort();
    assert.equal(root.cancelCalled, true);
    assert.equal(listeners(), 0, how);
  }
});

test("rule 40: a root follows a signal whatever its reason, and a scope is cancelled whatever the reason", () => {
  for (const reason of [
    Object.create(null),
    Symbol("why"),
    null,
    7,
    { toString: () => assert.fail("must not show") },
  ]) {
    const followed = new AbortController();
    const root = openRoot({ signal: followed.signal });
    followed.abort(reason);
    assertInstance(root.signal.reason, Cancelled);
    assert.equal(root.signal.reason.cause, reason);
    assert.equal(typeof root.signal.reason.reason, "string");
    const other = openRoot();
    Reflect.apply(other.cancel, other, [reason]);
    assert.equal(other.cancelCalled, true);
    assert.equal(typeof other.signal.reason.reason, "string");
  }
});

test("rule 41: a scope is used once, by construction", () => {
  assertInstance(
    thrown(() => Reflect.construct(CancelScope, [])),
    TypeError,
  );
});

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

test("rule 47: 5 000 nested scopes work, and so does a cancel through all of them", async () => {
  const { root } = mockRoot();
  let innermost = root;
  const outcome = await withScope(root, {}, async (outer) => {
    // Each scope is opened from a fresh stack: what is tested is the depth of the tree, not that of the test.
    const nest = async (parent: CancelScope, depth: number): Promise<void> => {
      await Promise.resolve();
      if (depth > 0) {
        await withScope(parent, {}, (scope) => nest(scope, depth - 1));
        return;
      }
      innermost = parent;
      outer.cancel("from the top");
      assert.equal(parent.signal.aborted, true);
      await checkpoint(parent.signal);
    };
    await nest(outer, 5_000);
  });
  assert.ok(outcome.cancelled);
  assert.equal(innermost.signal.reason, outcome.reason);
});

test("rule 47: an error through 5 000 nested nurseries comes out 5 000 groups deep, and can be found there", async () => {
  const { root } = mockRoot();
  const error = new RangeError("at the bottom");
  const nest = async (parent: CancelScope, depth: number): Promise<void> => {
    await Promise.resolve();
    if (depth === 0) throw error;
    await withNursery(parent, (nursery) => nest(nursery.scope, depth - 1));
  };
  const group = await rejection(nest(root, 5_000));
  assert.equal(findError(group, RangeError), error);
  let depth = 0;
  for (let node: unknown = group; node instanceof NurseryError; node = node.errors[0]) depth++;
  assert.equal(depth, 5_000);
});

test("rule 47: 5 000 nested nurseries that nobody awaits are left one after the other, from the inside", async () => {
  const { root } = mockRoot();
  const [bottom, gate] = [deaf(), deaf()];
  const left: number[] = [];
  const nest = (nursery: Nursery, depth: number) =>
    nursery.startSoon((task) => {
      if (depth === 0) {
        bottom.resolve();
        return gate.promise;
      }
      withNursery(task.scope, (inner) => nest(inner, depth - 1)).then(
        () => left.push(depth),
        () => {},
      );
    });
  const block = withNursery(root, (nursery) => nest(nursery, 5_000)).then(() => left.push(5_001));
  await bottom.promise;
  await settle();
  assert.deepEqual(left, []);
  gate.resolve();
  await settle();
  assert.equal(left.length, 5_001);
  assert.ok(left.every((depth, i) => depth === i + 1));
  await block;
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

test("rule 49: a Cancelled tells its source, reason and task", async () => {
  const { root, clock } = mockRoot();
  const reasonOf = (scope: CancelScope): Cancelled => {
    assertInstance(scope.signal.reason, Error);
    const found = findError(scope.signal.reason, Cancelled);
    assert.ok(found);
    return found;
  };
  const reasons: Cancelled[] = [];
  const error = new Error("broken");
  const group = await rejection(
    withNursery(root, async (nursery) => {
      nursery.startSoon(
        (task) =>
          withScope(task.scope, {}, async (scope) => {
            scope.cancel("enough");
            reasons.push(reasonOf(scope));
          }),
        { name: "worker" },
      );
      nursery.startSoon(
        () => {
          throw error;
        },
        { name: "culprit" },
      );
      await rejection(sleepForever(nursery.scope.signal));
      reasons.push(reasonOf(nursery.scope));
    }),
  );
  assert.deepEqual(flattenErrors(group), [error]);
  const [called, failed] = reasons;
  assert.equal(called?.source, "explicit");
  assert.equal(called?.reason, "enough");
  assert.equal(called?.task, "worker");
  assert.match(called?.message ?? "", /explicit, task "worker".*: enough/);
  assert.equal(failed?.source, "nursery");
  assert.equal(failed?.task, "culprit");
  assert.match(failed?.reason ?? "", /task "culprit" of nursery "nursery" failed/);
  await withScope(root, { deadline: clock.now() }, async (scope) => {
    assert.equal(reasonOf(scope).source, "deadline");
    assert.equal(reasonOf(scope).task, undefined);
  });
});

test("rule 50: users cannot construct a Cancelled", () => {
  const error = thrown(() => Reflect.construct(Cancelled, [Symbol("x"), {}, 0, { source: "explicit" }]));
  assertInstance(error, TypeError);
  assert.match(error.message, /cannot be constructed/);
});

test("rules 51-53: a wait that cannot be aborted delivers the cancel when it ends", async () => {
  const { root } = mockRoot();
  const stubborn = deaf<string>();
  const record: string[] = [];
  const block = withNursery(root, async (nursery) => {
    nursery.startSoon(async (task) => {
      record.push(await stubborn.promise);
      await rejection(checkpoint(task.signal));
      record.push("cancelled at the next wait");
    });
    nursery.scope.cancel();
  });
  await settle();
  assert.deepEqual(record, []);
  stubborn.resolve("ended with its value");
  await block;
  assert.deepEqual(record, ["ended with its value", "cancelled at the next wait"]);
});

test("rules 51-53: a cancel is delivered to a wait once", async () => {
  const { root } = mockRoot();
  let aborts = 0;
  await withScope(root, {}, async (outer) => {
    await withScope(outer, {}, async (inner) => {
      inner.signal.addEventListener("abort", () => aborts++);
      inner.cancel();
      outer.cancel();
      inner.cancel();
    });
  });
  assert.equal(aborts, 1);
});

test("rules 51-53: a child that outlasts the grace is abandoned by name, and a late rejection is reported", async () => {
  const { root, clock } = mockRoot();
  const stuck = deaf();
  const late = new Error("late");
  const told: AbandonedTask[] = [];
  let left = false;
  const block = rejection(
    withNursery(
      root,
      async (nursery) => {
        nursery.startSoon(() => stuck.promise, { name: "deaf" });
        nursery.startSoon((task) => sleepForever(task.signal), { name: "cooperative" });
        await sleep(30, nursery.scope.signal);
        nursery.scope.cancel();
      },
      { graceMs: 100, onAbandoned: (abandoned) => told.push(abandoned) },
    ),
  ).finally(() => {
    left = true;
  });
  await settle();
  await clock.advance(30);
  await clock.advance(99);
  assert.equal(left, false);
  await clock.advance(1);
  const group = await block;
  assertInstance(group, NurseryError);
  const errors = flattenErrors(group);
  assert.equal(errors.length, 1);
  assertInstance(errors[0], AbandonedTaskError);
  assert.equal(errors[0].taskName, "deaf");
  assert.equal(errors[0].ageMs, 130);
  assert.equal(told.length, 1);
  assert.equal(told[0]?.name, "deaf");
  assert.equal(told[0]?.ageMs, 130);
  stuck.reject(late);
  assert.deepEqual(await told[0]?.settled, { status: "rejected", reason: late });
  assert.equal(clock.pendingTimers, 0);
});

test("rules 51-53: without a grace a cancelled nursery waits for as long as it takes", async () => {
  const { root, clock } = mockRoot();
  const stuck = deaf();
  let left = false;
  const block = withNursery(root, async (nursery) => {
    nursery.startSoon(() => stuck.promise);
    nursery.scope.cancel();
  }).then(() => {
    left = true;
  });
  await settle();
  await clock.advance(1e9);
  assert.equal(left, false);
  stuck.resolve();
  await block;
});

test("rules 51-53: the grace begins with a cancel from outside and with a failure, too, and ends with the nursery", async () => {
  const { root, clock } = mockRoot();
  const stuck = deaf();
  for (const how of ["outside", "failure"]) {
    const block = rejection(
      withScope(root, {}, (outer) =>
        withNursery(
          outer,
          async (nursery) => {
            nursery.startSoon(() => stuck.promise, { name: how });
            if (how === "outside") outer.cancel();
            else throw new Error("failed");
          },
          { graceMs: 10 },
        ),
      ),
    );
    await settle();
    await clock.advance(10);
    assert.equal(findError(await block, AbandonedTaskError)?.taskName, how);
  }
  await withNursery(root, async (nursery) => nursery.scope.cancel(), { graceMs: 10 });
  assert.equal(clock.pendingTimers, 0);

  root.cancel();
  const cancelledFromTheStart = rejection(
    withNursery(root, async (nursery) => nursery.startSoon(() => stuck.promise), { graceMs: 10 }),
  );
  await settle();
  await clock.advance(10);
  assert.ok(findError(await cancelledFromTheStart, AbandonedTaskError));
  stuck.resolve();
});

test("rules 51-53: a body that outlasts the grace is abandoned, too, and its late error is reported", async () => {
  const { root, clock } = mockRoot();
  const stuck = deaf();
  const late = new Error("late body");
  let kept: Nursery | undefined;
  const told: AbandonedTask[] = [];
  const block = rejection(
    withNursery(
      root,
      async (nursery) => {
        kept = nursery;
        nursery.scope.cancel();
        await stuck.promise;
      },
      { name: "ingest", graceMs: 10, onAbandoned: (abandoned) => told.push(abandoned) },
    ),
  );
  await settle();
  await clock.advance(10);
  assert.equal(findError(await block, AbandonedTaskError)?.taskName, "ingest (body)");
  assertInstance(
    thrown(() => kept?.startSoon(() => assert.fail("must not run"))),
    ClosedResourceError,
  );
  stuck.reject(late);
  assert.deepEqual(await told[0]?.settled, { status: "rejected", reason: late });
});

test("rules 51-53: an error thrown by onAbandoned joins the group", async () => {
  const { root, clock } = mockRoot();
  const stuck = deaf();
  const broken = new Error("cannot report");
  const block = rejection(
    withNursery(
      root,
      async (nursery) => {
        nursery.startSoon(() => stuck.promise);
        nursery.scope.cancel();
      },
      {
        graceMs: 10,
        onAbandoned: () => {
          throw broken;
        },
      },
    ),
  );
  await settle();
  await clock.advance(10);
  const errors = flattenErrors(await block);
  assert.equal(errors.length, 2);
  assert.equal(errors[1], broken);
  stuck.resolve();
});

test("rules 51-53: an error that onAbandoned throws later, in a promise, is dropped", async () => {
  const { root, clock } = mockRoot();
  const stuck = deaf();
  const broken = deaf();
  const opts: object = { graceMs: 10, onAbandoned: () => broken.promise };
  const block: Promise<unknown> = rejection(
    Reflect.apply(withNursery, undefined, [
      root,
      (nursery: Nursery) => {
        nursery.startSoon(() => stuck.promise);
        nursery.scope.cancel();
      },
      opts,
    ]),
  );
  await settle();
  await clock.advance(10);
  const errors = flattenErrors(await block);
  broken.reject(new Error("too late"));
  await settle();
  assert.equal(errors.length, 1);
  assertInstance(errors[0], AbandonedTaskError);
  stuck.resolve();
});

test("rules 51-53: an abandoned child keeps its permit until it really settles", async () => {
  const { root, clock } = mockRoot();
  const stuck = deaf();
  const limiter = new CapacityLimiter(1);
  const block = rejection(
    withNursery(
      root,
      async (nursery) => {
        nursery.startSoon((task) => limiter.withPermit(task.signal, () => stuck.promise));
        await settle();
        nursery.scope.cancel();
      },
      { graceMs: 10 },
    ),
  );
  await settle();
  await clock.advance(10);
  const abandoned = findError(await block, AbandonedTaskError);
  assert.equal(limiter.borrowedTokens, 1);
  stuck.resolve();
  await abandoned?.settled;
  assert.equal(limiter.borrowedTokens, 0);
});

test("rules 51-53: abortable stops waiting for a promise that knows no signals", async () => {
  const { root } = mockRoot();
  const stubborn = deaf<string>();
  const outcome = await withScope(root, {}, async (scope) => {
    queueMicrotask(() => scope.cancel());
    return abortable(stubborn.promise, scope.signal);
  });
  assert.equal(outcome.cancelled, true);
  const waits = [abortable(stubborn.promise, root.signal), abortable(stubborn.promise, root.signal)];
  stubborn.resolve("value");
  assert.deepEqual(await Promise.all(waits), ["value", "value"]);
  assert.equal(await abortable(stubborn.promise, root.signal), "value");
  const failed = deaf();
  const wait = rejection(abortable(failed.promise, root.signal));
  const error = new Error("its own");
  failed.reject(error);
  assert.equal(await wait, error);
});

test("rules 51-53: abortable asks a thenable once, and one that calls back at once is as good as any", async () => {
  const { root } = mockRoot();
  const { signal } = root;
  let asked = 0;
  const lazy = (then: Parameters<typeof thenable<string>>[0]) =>
    thenable<string>((resolve, reject) => {
      asked++;
      then(resolve, reject);
    });
  const atOnce = lazy((resolve) => resolve("at once"));
  assert.equal(await abortable(atOnce, signal), "at once");
  const later = lazy((resolve) => setImmediate(resolve, "later"));
  assert.equal(await abortable(later, signal), "later");
  assert.equal(asked, 2);
  const error = new Error("its own");
  const rejected = lazy((_, reject) => reject(error));
  assert.equal(await rejection(abortable(rejected, signal)), error);
  const throwing = lazy(() => {
    throw error;
  });
  assert.equal(await rejection(abortable(throwing, root.signal)), error);
  const never = lazy(() => {});
  const outcome = await withScope(root, {}, async (scope) => {
    queueMicrotask(() => scope.cancel());
    return abortable(never, scope.signal);
  });
  assert.equal(outcome.cancelled, true);
});

test("rules 51-53: abortable waits for a promise whose class has a then of its own", async () => {
  const { root } = mockRoot();
  const error = new Error("its own");
  const broken = thenable(() => {
    throw error;
  }, Promise.resolve());
  for (let i = 0; i < 2; i++) assert.equal(await rejection(abortable(broken, root.signal)), error);
  class Own extends Promise<string> {}
  assert.equal(await abortable(Own.resolve("value"), root.signal), "value");
});
