import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Cancelled,
  findError,
  flattenErrors,
  isCancellation,
  locateErrors,
  NurseryError,
  openRoot,
  splitErrors,
  withNursery,
  withScope,
} from "../../src/concurrency/index.ts";
import { assertInstance, mockRoot, rejection } from "./support.ts";

// Where a walk is not linear, or never ends, these freeze the process: unusual.test.ts shows that from outside.

test("groups: one that holds itself is looked into once", () => {
  const [one, two] = [new Error("one"), new Error("two")];
  const group = new AggregateError([one]);
  const outer = new NurseryError([group, two]);
  group.errors.push(outer, group);
  assert.deepEqual(flattenErrors(outer), [one, two]);
  assert.deepEqual(flattenErrors(group), [one, two]);
  assert.equal(findError(outer, AggregateError), outer);
  assert.equal(findError(outer, TypeError), undefined);
  assert.deepEqual(
    locateErrors(outer).map(({ error }) => error),
    [one, two],
  );
});

test("groups: an error that is met again counts once, a string that was thrown twice is two", () => {
  const error = new Error("shared");
  const inner = new AggregateError([error, "thrown"]);
  const group = new NurseryError([error, inner, inner, "thrown", error]);
  assert.deepEqual(flattenErrors(group), [error, "thrown", "thrown"]);
  assert.equal(locateErrors(group).length, 3);
});

test("groups: a group of groups that hold one another doubly is split in the time of its size", () => {
  const [odd, even] = [new Error("odd"), new Error("even")];
  let group = new NurseryError([odd, even]);
  for (let i = 0; i < 200; i++) group = new NurseryError([group, group]);
  assert.deepEqual(flattenErrors(group), [odd, even]);
  const [matching, rest] = splitErrors(group, (error) => error === odd);
  assert.deepEqual(flattenErrors(matching), [odd]);
  assert.deepEqual(flattenErrors(rest), [even]);
  assertInstance(matching, NurseryError);
  assert.equal(matching.errors.length, 2);
  assert.equal(matching.errors[0], matching.errors[1], "what was shared stays shared");
});

test("groups: split, one that holds itself keeps every error, and what needs no change stays the same object", () => {
  const [one, two, three] = [new Error("one"), new Error("two"), new Error("three")];
  const untouched = new AggregateError([three], "untouched");
  untouched.errors.push(untouched);
  const inner = new AggregateError([one], "inner");
  const outer = new NurseryError([inner, two, untouched]);
  inner.errors.push(outer);
  const [matching, rest] = splitErrors(outer, (error) => error === two);
  assert.deepEqual(flattenErrors(matching), [two]);
  assert.deepEqual(flattenErrors(rest), [one, three]);
  assertInstance(rest, NurseryError);
  assert.equal(rest.errors[1], untouched);
  assertInstance(rest.errors[0], AggregateError);
  assert.equal(rest.errors[0].message, "inner");
  assert.deepEqual(
    splitErrors(outer, () => true),
    [outer, undefined],
  );
  assert.deepEqual(
    splitErrors(outer, () => false),
    [undefined, outer],
  );
});

test("groups: those that hold nothing but one another are errors themselves: they do not vanish", async () => {
  const [first, second] = [new AggregateError([]), new AggregateError([])];
  first.errors.push(second);
  second.errors.push(first);
  assert.deepEqual(flattenErrors(first), [first]);
  assert.deepEqual(flattenErrors(new NurseryError([new NurseryError([new NurseryError([first])])])), [first]);
  const error = new Error("beside");
  const group = new NurseryError([first, error]);
  assert.deepEqual(flattenErrors(group), [first, error]);
  assert.deepEqual(
    locateErrors(group).map((located) => located.error),
    [first, error],
  );
  const [matching, rest] = splitErrors(group, (leaf) => leaf === first);
  assert.deepEqual(flattenErrors(matching), [first]);
  assert.deepEqual(flattenErrors(rest), [error]);

  const { root } = mockRoot();
  const left = await rejection(
    withScope(root, {}, (scope) => {
      scope.cancel();
      throw new NurseryError([first, scope.signal.reason]);
    }),
  );
  assertInstance(left, NurseryError);
  assert.deepEqual(left.errors, [first]);
});

test("groups: a group that was not made of an array is a leaf", () => {
  const group = Object.defineProperty(new AggregateError([1]), "errors", { value: undefined });
  assert.deepEqual(flattenErrors(new NurseryError([group])), [group]);
  assert.match(new NurseryError([group]).message, /AggregateError of 0/);
});

test("groups: cancellations are stripped from one that holds itself", async () => {
  const error = new Error("real");
  const group = await rejection(
    withScope(openRoot(), {}, async (scope) => {
      scope.cancel();
      const thrown = new AggregateError([scope.signal.reason, error]);
      thrown.errors.push(thrown);
      assert.equal(isCancellation(thrown, scope), false);
      await withNursery(scope, () => {
        throw thrown;
      });
    }),
  );
  assert.deepEqual(flattenErrors(group), [error]);
  assert.equal(findError(group, Cancelled), undefined);
});
