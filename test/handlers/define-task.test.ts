import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as v from "valibot";
import { defineTask, isTaskDefinition, type TaskDefinition } from "../../src/handlers/define-task.ts";

/** Compiles only where both types are the same: the type-level tests below fail in `tsc`, not at run time. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const typesAre = <Expected extends true>(_: Expected) => {};

describe("defineTask", () => {
  test("gives run the type that the payload schema gives out", () => {
    const task = defineTask({
      type: "typed",
      payload: v.object({ n: v.pipe(v.string(), v.transform(Number)), tag: v.optional(v.string(), "x") }),
      run({ payload }) {
        typesAre<Same<typeof payload, { n: number; tag: string }>>(true);
        // @ts-expect-error a key that the schema does not have
        return payload.other;
      },
    });
    const whole: TaskDefinition = task;
    assert.equal(whole.type, "typed");
  });

  test("gives run an unknown payload where there is no schema", () => {
    defineTask({
      type: "untyped",
      run({ payload }) {
        typesAre<Same<typeof payload, unknown>>(true);
      },
    });
  });

  test("takes asynchronous schemas", () => {
    defineTask({
      type: "async",
      payload: v.objectAsync({
        a: v.pipeAsync(
          v.string(),
          v.checkAsync(async () => true),
        ),
      }),
      run({ payload }) {
        typesAre<Same<typeof payload, { a: string }>>(true);
      },
    });
  });

  test("freezes the definition and knows it again", () => {
    const task = defineTask({ type: "a", run() {} });
    assert.ok(Object.isFrozen(task));
    assert.ok(isTaskDefinition(task));
    assert.ok(!isTaskDefinition({ type: "a", run() {} }));
    assert.ok(!isTaskDefinition(null));
  });

  // What a handler file in plain JavaScript may pass.
  const loose = (definition: unknown): unknown => Reflect.apply(defineTask, undefined, [definition]);
  const run = () => {};
  const refused: readonly [string, unknown, RegExp][] = [
    ["nothing", undefined, /takes an object \{ type, run, ... \}, got undefined/],
    ["no type", { run }, /^defineTask: "type" is missing$/],
    ["an empty type", { type: "", run }, /"type" must not be empty/],
    ["a type that is too long", { type: "x".repeat(129), run }, /"type" must be at most 128 characters/],
    ["no run", { type: "a" }, /^defineTask of "a": "run" is missing$/],
    ["a run that is no function", { type: "a", run: 1 }, /"run" must be a function, got 1/],
    [
      "a payload that is no schema",
      { type: "a", run, payload: { a: "string" } },
      /"payload" must be a schema of valibot, zod, arktype or another Standard Schema library, got Object$/,
    ],
    [
      "a payload that is not even an object",
      { type: "a", run, payload: "string" },
      /"payload" must be a schema of valibot, zod, arktype or another Standard Schema library/,
    ],
    ["no attempts", { type: "a", run, attempts: 0 }, /"attempts" must be 1 or more, got 0/],
    ["a negative timeout", { type: "a", run, timeoutMs: -1 }, /"timeoutMs" must be 0 or more/],
    ["a wrong backoff", { type: "a", run, backoff: { kind: "linear", delay_ms: 1 } }, /backoff\.kind/],
    ["a misspelt key", { type: "a", run, timeout: 5 }, /unknown key "timeout"; known are type, payload, .*timeoutMs/],
  ];
  for (const [name, definition, message] of refused) {
    test(`refuses ${name} and says so`, () => {
      assert.throws(() => loose(definition), { name: "TypeError", message });
    });
  }
});
