// Scopes that are cancelled from their start, roots that follow a signal, and scopes that are over.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Cancelled, CancelScope, checkpoint, openRoot, withScope } from "../../src/concurrency/index.ts";
import { assertInstance, countListeners, mockRoot, rejection, thrown } from "./support.ts";

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
