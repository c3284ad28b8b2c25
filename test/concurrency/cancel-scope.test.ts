// A scope that is cancelled: what it delivers, what it absorbs as its own, and what goes on outwards.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as nodeSleep } from "node:timers/promises";
import {
  type CancelScope,
  checkpoint,
  flattenErrors,
  isCancellation,
  NurseryError,
  openRoot,
  sleep,
  sleepForever,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { mockRoot, rejection, settle } from "./support.ts";

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

test(
  "rule 32: cancelCalled differs from cancelledCaught; a cancel after the value is ready " + "leaves the value",
  async () => {
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
  },
);

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

test(
  "rule 33: the AbortError of a foreign wait counts as the cancel of the scope whose signal " + "it was given",
  async () => {
    const { root } = mockRoot();
    const outcome = await withScope(root, {}, async (scope) => {
      queueMicrotask(() => scope.cancel("stop waiting"));
      await nodeSleep(60_000, undefined, { signal: scope.signal });
    });
    assert.ok(outcome.cancelled);
    assert.equal(outcome.reason.reason, "stop waiting");
  },
);

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
