/** Values that JSON would change or lose on the way are refused with their place before they are sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { prepareTask } from "../../src/task/message/new-task.ts";
import { unwritablePart } from "../../src/task/text/unwritable.ts";

function refusal(payload: unknown): string {
  try {
    prepareTask("t", payload, {}, { now: 0, retentionMs: 0 });
  } catch (error) {
    assert.ok(error instanceof Error && error.name === "InvalidTaskError", String(error));
    return error.message.replace("the payload cannot be written as JSON: ", "");
  }
  throw new Error("it was not refused");
}

test("each value that JSON has no words for is told with its place", () => {
  const cyclic: Record<string, unknown> = { a: [{}] };
  cyclic.a = [{ b: cyclic }];
  const inner: Record<string, unknown> = {};
  inner.self = inner;
  const hole: unknown[] = [1];
  hole[2] = 3;
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [{ a: [1, 2, Number.NaN] }, /^payload\.a\[2\] is NaN, which JSON has no number for$/],
    [{ "a b": Number.NEGATIVE_INFINITY }, /^payload\["a b"\] is -Infinity/],
    [[[undefined]], /^payload\[0\]\[0\] is undefined, which would be null$/],
    [hole, /^payload\[1\] is undefined/],
    [{ n: 9007199254740993n }, /^payload\.n is a BigInt/],
    [{ f: () => 1 }, /^payload\.f is a function$/],
    [{ s: Symbol("s") }, /^payload\.s is a symbol$/],
    [{ d: new Date(Number.NaN) }, /^payload\.d is a Date without a time$/],
    [{ m: new Map([[1, 2]]) }, /^payload\.m is a Map, of which JSON keeps nothing$/],
    [{ p: Promise.resolve(1) }, /^payload\.p is a Promise/],
    [{ e: new TypeError("no") }, /^payload\.e is a Error|^payload\.e is an Error/],
    [{ n: new Number(Number.NaN) }, /^payload\.n is NaN/],
    [{ t: { toJSON: () => ({ x: Number.NaN }) } }, /^payload\.t\.x is NaN/],
    [{ t: { toJSON: () => undefined } }, /^payload\.t is undefined/],
    [cyclic, /^payload\.a\[0\]\.b is the payload itself once more: it has no end$/],
    [{ x: inner }, /^payload\.x\.self is payload\.x once more: it has no end$/],
    [proxy, /revoked|throws/i],
    [
      {
        get g() {
          throw new Error("no look");
        },
      },
      /no look/,
    ],
  ];
  for (const [payload, expected] of cases) assert.match(refusal(payload), expected);
});

test("whatever comes back from JSON as it was is let through", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => assert.equal(unwritablePart(value, 500), null)));
  const shared = { a: 1 };
  const fine = [{ a: undefined, b: [shared, shared] }, new Date(5), { toJSON: () => 1 }, Object.create(null), "\ud800"];
  for (const value of fine) assert.equal(unwritablePart(value, 500), null);
});

test("whatever is let through means the same once it was written and read", () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withSparseArray: true,
  });
  let met = 0;
  fc.assert(
    fc.property(anything, (value) => {
      if (value === undefined || unwritablePart(value, 500) !== null) return;
      met++;
      assertSame(JSON.parse(JSON.stringify(value)), value);
    }),
    { numRuns: 1_000 },
  );
  assert.ok(met > 100, `${met} were let through`);
});

/** As JSON means it: a Date is its text, what is undefined is not there, and there is one zero. */
function assertSame(read: unknown, given: unknown): void {
  if (given instanceof Date) assert.equal(read, given.toISOString());
  else if (Array.isArray(given)) {
    assert.ok(Array.isArray(read) && read.length === given.length);
    for (const [index, part] of given.entries()) assertSame(read[index], part);
  } else if (typeof given === "object" && given !== null) {
    const there = Object.entries(given).filter(([, part]) => part !== undefined);
    assert.ok(typeof read === "object" && read !== null);
    assert.deepEqual(Object.keys(read).sort(), there.map(([key]) => key).sort());
    for (const [key, part] of there) assertSame(Reflect.get(read, key), part);
  } else if (given === 0) assert.equal(read, 0);
  else assert.equal(read, given);
}
