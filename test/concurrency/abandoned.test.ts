// Children and bodies that do not heed their cancel: waited for, or abandoned by name once the grace is over.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AbandonedTask,
  AbandonedTaskError,
  CapacityLimiter,
  ClosedResourceError,
  findError,
  flattenErrors,
  type Nursery,
  NurseryError,
  sleep,
  sleepForever,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { assertInstance, deaf, mockRoot, rejection, settle, thrown } from "./support.ts";

test(
  "rules 51-53: a child that outlasts the grace is abandoned by name, and a late rejection " + "is reported",
  async () => {
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
  },
);

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

test(
  "rules 51-53: the grace begins with a cancel from outside and with a failure, too, and ends with " + "the nursery",
  async () => {
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
  },
);

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
