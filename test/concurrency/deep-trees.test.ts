// Trees of 5 000 levels: cancelled, failed and left like any other.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CancelScope,
  checkpoint,
  findError,
  type Nursery,
  NurseryError,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { deaf, mockRoot, rejection, settle } from "./support.ts";

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

test(
  "rule 47: an error through 5 000 nested nurseries comes out 5 000 groups deep, and can be " + "found there",
  async () => {
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
  },
);

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
