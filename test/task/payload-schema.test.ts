/** Schemas of any library: what they answer is told in one form, whatever they answer. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as v from "valibot";
import { checkBySchema, isPayloadSchema, type PayloadSchema } from "../../src/task/message/payload-schema.ts";

const made = (validate: (value: unknown) => unknown): PayloadSchema =>
  ({ "~standard": { version: 1, vendor: "made here", validate } }) as PayloadSchema;

const issuesOf = async (schema: PayloadSchema, payload: unknown) => {
  const checked = await checkBySchema(schema, payload);
  return checked.ok ? null : checked.issues.map(({ path, message }) => [path, message]);
};

describe("a schema with the Standard Schema interface", () => {
  test("gives its output at once where it takes no time, and as a promise where it does", async () => {
    assert.deepEqual(
      checkBySchema(
        made((value) => ({ value: [value] })),
        1,
      ),
      { ok: true, value: [1] },
    );
    const slow = checkBySchema(
      made(async (value) => ({ value: [value] })),
      1,
    );
    assert.ok(slow instanceof Promise);
    assert.deepEqual(await slow, { ok: true, value: [1] });
    assert.deepEqual(
      checkBySchema(
        made(() => ({ value: undefined })),
        1,
      ),
      { ok: true, value: undefined },
    );
  });

  test("tells each place that it refuses, whatever form its paths have", async () => {
    const issues = [
      { message: "plain", path: ["a", 0, Symbol("s")] },
      { message: "objects", path: [{ key: "a" }, { key: 1 }] },
      { message: "none" },
      { message: "empty", path: [] },
    ];
    const expected = [
      ["a.0.Symbol(s)", "plain"],
      ["a.1", "objects"],
      ["", "none"],
      ["", "empty"],
    ];
    assert.deepEqual(
      await issuesOf(
        made(() => ({ issues })),
        1,
      ),
      expected,
    );
    assert.deepEqual(
      await issuesOf(
        made(async () => ({ issues })),
        1,
      ),
      expected,
    );
  });

  test("tells ten places at the most, and something where no reason is given", async () => {
    const many = Array.from({ length: 1000 }, () => ({ message: "no" }));
    assert.equal(
      (
        await issuesOf(
          made(() => ({ issues: many })),
          1,
        )
      )?.length,
      10,
    );
    const unsaid = [["", "it is refused, without a reason"]];
    for (const issues of [[], [null], [{ message: 7 }], "no", Proxy.revocable([], {}).proxy]) {
      assert.deepEqual(
        await issuesOf(
          made(() => ({ issues })),
          1,
        ),
        unsaid,
      );
    }
  });

  test("throws what the schema throws, and names the library where its answer is none", async () => {
    const thrown = new RangeError("of the schema");
    const thrower = made(() => {
      throw thrown;
    });
    assert.throws(() => checkBySchema(thrower, 1), thrown);
    await assert.rejects(
      Promise.resolve(
        checkBySchema(
          made(() => Promise.reject(thrown)),
          1,
        ),
      ),
      thrown,
    );
    for (const answer of [undefined, null, true, "yes", {}]) {
      assert.throws(
        () =>
          checkBySchema(
            made(() => answer),
            1,
          ),
        /the schema \(made here\) answered neither/,
      );
    }
  });

  test("is told from what is none, also where it is a function", () => {
    const callable = Object.assign(
      () => {},
      made((value) => ({ value })),
    );
    for (const schema of [v.string(), made(() => ({ value: 1 })), callable]) assert.ok(isPayloadSchema(schema));
    const later = { "~standard": { version: 2, validate() {} } };
    const throwing = {
      get "~standard"() {
        throw new Error("do not look");
      },
    };
    for (const none of [
      null,
      1,
      {},
      () => {},
      { "~standard": null },
      { "~standard": { version: 1 } },
      later,
      throwing,
    ]) {
      assert.equal(isPayloadSchema(none), false);
    }
  });

  test("of valibot says in our words what is missing and what is not known", async () => {
    const checked = await checkBySchema(v.strictObject({ a: v.object({ b: v.string() }) }), { a: {}, c: 1 });
    assert.deepEqual(checked.ok ? [] : checked.issues.map(({ path, words }) => [path, words]), [
      ["a.b", "is missing"],
      ["c", "is not known"],
    ]);
  });
});
