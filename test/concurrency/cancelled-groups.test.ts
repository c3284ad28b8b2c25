// Groups of errors in which some are cancellations: those are absorbed, and the rest stays grouped.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as nodeSleep } from "node:timers/promises";
import {
  Cancelled,
  findError,
  flattenErrors,
  NurseryError,
  sleepForever,
  splitErrors,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { assertInstance, mockRoot, rejection } from "./support.ts";

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

test(
  "rules 35 and 36: behind a shield an outer Cancelled that was thrown there goes on, beside the " + "scope's own",
  async () => {
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
  },
);

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

test(
  "rules 4 and 36: an outer Cancelled thrown behind a shield cancels the siblings, and leaves " + "as it came",
  async () => {
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
  },
);

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
