// What a Cancelled tells, and that only the core makes one.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Cancelled,
  type CancelScope,
  findError,
  flattenErrors,
  sleepForever,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { assertInstance, mockRoot, rejection, thrown } from "./support.ts";

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
