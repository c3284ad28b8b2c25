// The call at a cancel: once, at once where it has happened, never after it was taken back, and nothing is left of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type CancelScope, ClosedResourceError, onCancel, openRoot, withScope } from "../../src/concurrency/index.ts";

test("it is called once by a cancel of the scope or of one around it", () => {
  const root = openRoot();
  let calls = 0;
  onCancel(root, () => calls++);
  assert.equal(calls, 0);
  root.cancel();
  root.cancel();
  assert.equal(calls, 1);
  onCancel(root, () => calls++);
  assert.equal(calls, 2);
});

test("one that was taken back is not called, and its block is left", async () => {
  const root = openRoot();
  let left: CancelScope | undefined;
  await withScope(root, {}, (scope) => {
    left = scope;
    const takeBack = onCancel(scope, () => assert.fail("it was called"));
    takeBack();
    takeBack();
  });
  root.cancel();
  assert.throws(() => left !== undefined && onCancel(left, () => {}), ClosedResourceError);
});
