import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AbandonedTaskError,
  type CancelScope,
  type Clock,
  findError,
  flattenErrors,
  type Nursery,
  openRoot,
  snapshotTree,
  systemClock,
  type Task,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { MockClock } from "../../src/testing.ts";
import { assertInstance, deaf, mockRoot, rejection, settle } from "./support.ts";

/** A nursery that notes whom it leaves behind. */
function nurseryIn(
  parent: CancelScope,
  told: string[],
  name: string,
  graceMs: number,
  body: (nursery: Nursery) => void,
) {
  return withNursery(parent, body, { name, graceMs, onAbandoned: (task) => told.push(`${name}: ${task.name}`) });
}

test(
  "rules 51-53: of nested nurseries whose grace ends together, the inner one names the deaf child, " + "and only that",
  async () => {
    for (const graces of [
      { outer: 10, inner: 10 },
      { outer: 10, inner: 4 },
    ]) {
      const { root, clock } = mockRoot();
      const stuck = deaf();
      const told: string[] = [];
      const block = rejection(
        nurseryIn(root, told, "outer", graces.outer, (outer) => {
          const cooperative = (task: Task) =>
            nurseryIn(task.scope, told, "inner", graces.inner, (inner) =>
              inner.startSoon(() => stuck.promise, { name: "deaf" }),
            );
          outer.startSoon(cooperative);
          setImmediate(() => outer.scope.cancel());
        }),
      );
      await settle();
      await clock.advance(10);
      assert.deepEqual(told, ["inner: deaf"]);
      const errors = flattenErrors(await block);
      assert.equal(errors.length, 1);
      assertInstance(errors[0], AbandonedTaskError);
      assert.equal(errors[0].taskName, "deaf");
      stuck.resolve();
    }
  },
);

test("rules 51-53: the graces that one cancel begins count from the same moment, however long it takes", async () => {
  const mock = new MockClock();
  let reads = 0;
  const clock: Clock = {
    now: () => mock.now() + ++reads / 1_000,
    schedule: (at, callback) => mock.schedule(at, callback),
  };
  const stuck = deaf();
  const told: string[] = [];
  const block = rejection(
    nurseryIn(openRoot({ clock }), told, "outer", 10, (outer) => {
      outer.startSoon((task) =>
        nurseryIn(task.scope, told, "inner", 10, (inner) => inner.startSoon(() => stuck.promise, { name: "deaf" })),
      );
      setImmediate(() => outer.scope.cancel());
    }),
  );
  await settle();
  await mock.advance(11);
  await block;
  assert.deepEqual(told, ["inner: deaf"]);
  stuck.resolve();
});

test("rules 51-53: on the system's clock, too, and however late its timers fire", async () => {
  const root = openRoot();
  const stuck = deaf();
  const told: string[] = [];
  await rejection(
    nurseryIn(root, told, "outer", 1, (outer) => {
      outer.startSoon((task) =>
        nurseryIn(task.scope, told, "inner", 3, (inner) => inner.startSoon(() => stuck.promise, { name: "deaf" })),
      );
      setImmediate(() => {
        outer.scope.cancel();
        // Both are due when the loop turns again.
        for (const until = systemClock.now() + 8; systemClock.now() < until; );
      });
    }),
  );
  assert.deepEqual(told, ["inner: deaf"]);
  stuck.resolve();
});

test("rules 51-53: where each level has a deaf child, each nursery names its own, from the inside out", async () => {
  const { root, clock } = mockRoot();
  const stuck = deaf();
  const told: string[] = [];
  const nest = (parent: CancelScope, depth: number): Promise<void> =>
    nurseryIn(parent, told, `level ${depth}`, 10, (nursery) => {
      nursery.startSoon(() => stuck.promise, { name: `deaf ${depth}` });
      if (depth < 4) nursery.startSoon((task) => nest(task.scope, depth + 1), { name: "waits" });
    });
  const left = rejection(
    withScope(root, {}, (scope) => {
      setImmediate(() => scope.cancel());
      return nest(scope, 1);
    }),
  );
  await settle();
  await clock.advance(10);
  const errors = flattenErrors(await left);
  assert.deepEqual(told, ["level 4: deaf 4", "level 3: deaf 3", "level 2: deaf 2", "level 1: deaf 1"]);
  assert.equal(errors.length, 4, "and nothing but them");
  stuck.resolve();
  await settle();
  assert.deepEqual(snapshotTree(root).children, []);
});

test(
  "rules 51-53: a task that does not end although what it waited for has given up is left " + "behind as well",
  async () => {
    const { root, clock } = mockRoot();
    const [stuck, stubborn] = [deaf(), deaf()];
    const told: string[] = [];
    const block = rejection(
      nurseryIn(root, told, "outer", 10, (outer) => {
        outer.startSoon(
          async (task) => {
            await rejection(
              nurseryIn(task.scope, told, "inner", 10, (inner) =>
                inner.startSoon(() => stuck.promise, { name: "deaf" }),
              ),
            );
            await stubborn.promise;
          },
          { name: "stubborn" },
        );
        setImmediate(() => outer.scope.cancel());
      }),
    );
    await settle();
    await clock.advance(10);
    assert.equal(findError(await block, AbandonedTaskError)?.taskName, "stubborn");
    assert.deepEqual(told, ["inner: deaf", "outer: stubborn"]);
    stuck.resolve();
    stubborn.resolve();
  },
);

test("rules 51-53: a nursery that is left in the turn after its grace abandons nobody", async () => {
  const { root, clock } = mockRoot();
  const late = deaf();
  const told: string[] = [];
  const block = nurseryIn(root, told, "just in time", 10, (nursery) => {
    nursery.startSoon(() => late.promise);
    nursery.scope.cancel();
    clock.schedule(10, () => late.resolve());
  });
  await settle();
  await clock.advance(10);
  await block;
  assert.deepEqual(told, []);
  assert.equal(clock.pendingTimers, 0);
});

test(
  "rules 51-53: a grace counts from the cancel, or from the start of a nursery that was cancelled " + "from the start",
  async () => {
    const { root, clock } = mockRoot();
    const stuck = deaf();
    const told: string[] = [];
    const scoped = rejection(
      withScope(root, {}, async (scope) => {
        scope.cancel();
        await clock.advance(100);
        await nurseryIn(scope, told, "late", 10, (nursery) => nursery.startSoon(() => stuck.promise, { name: "deaf" }));
      }),
    );
    await settle();
    await clock.advance(9);
    assert.deepEqual(told, []);
    await clock.advance(1);
    assert.deepEqual(told, ["late: deaf"]);
    await scoped;
    stuck.resolve();
  },
);

test("rules 51-53: an onAbandoned that is a method keeps its object", async () => {
  const { root, clock } = mockRoot();
  const stuck = deaf();
  const options = {
    graceMs: 10,
    told: [""],
    onAbandoned({ name }: { name: string }) {
      this.told.push(name);
    },
  };
  const block = rejection(
    withNursery(
      root,
      (nursery) => {
        nursery.startSoon(() => stuck.promise, { name: "deaf" });
        nursery.scope.cancel();
      },
      options,
    ),
  );
  await settle();
  await clock.advance(10);
  await block;
  assert.deepEqual(options.told, ["", "deaf"]);
  stuck.resolve();
});
