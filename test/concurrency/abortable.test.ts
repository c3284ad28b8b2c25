// Waits that know nothing of signals: how a cancel is delivered to them, once, and how abortable leaves them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { abortable, checkpoint, withNursery, withScope } from "../../src/concurrency/index.ts";
import { deaf, mockRoot, rejection, settle, thenable } from "./support.ts";

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
