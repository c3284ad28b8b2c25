import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as v from "valibot";
import { groupMessage, MAX_ERROR_MESSAGE, MAX_ERROR_STACK, toErrorRecord } from "../../src/handlers/error-record.ts";
import { type ErrorRecord, ErrorRecordSchema } from "../../src/task/record/record.ts";

const count = (record: ErrorRecord): number => 1 + (record.parts ?? []).map(count).reduce((a, b) => a + b, 0);
const depth = (record: ErrorRecord): number => 1 + Math.max(-1, ...(record.parts ?? []).map(depth));

describe("toErrorRecord", () => {
  test("keeps the name, the message and the stack of an error", () => {
    const record = toErrorRecord(new RangeError("too far"));
    assert.equal(record.name, "RangeError");
    assert.equal(record.message, "too far");
    assert.match(record.stack ?? "", /error-record\.test/);
    assert.equal(record.parts, undefined);
  });

  test("keeps a group whole, in order, with the cause as the last part", () => {
    const group = new AggregateError([new Error("a"), new TypeError("b")], "both", { cause: new Error("why") });
    const record = toErrorRecord(group);
    assert.deepEqual(
      record.parts?.map(({ name, message }) => [name, message]),
      [
        ["Error", "a"],
        ["TypeError", "b"],
        ["Error", "why"],
      ],
    );
  });

  test("ends at a cycle and says that the error is told elsewhere", () => {
    const outer = new Error("outer");
    const inner = new Error("inner", { cause: outer });
    outer.cause = inner;
    const record = toErrorRecord(outer);
    assert.equal(record.parts?.[0]?.message, "inner");
    assert.match(record.parts?.[0]?.parts?.[0]?.message ?? "", /^outer \(told elsewhere/);
    assert.equal(count(record), 3);
  });

  test("ends at a group that holds itself", () => {
    const group = new AggregateError([], "self");
    group.errors.push(group);
    assert.equal(count(toErrorRecord(group)), 2);
  });

  test("cuts a long message and keeps the frames of its stack", () => {
    const record = toErrorRecord(new Error(`${"x".repeat(1_000_000)}`));
    assert.ok(record.message.length <= MAX_ERROR_MESSAGE);
    assert.match(record.message, /cut, 1000000 characters/);
    assert.ok((record.stack ?? "").length <= MAX_ERROR_STACK);
    assert.match(record.stack ?? "", /error-record\.test/);
  });

  test("never leaves half of a surrogate pair where it cuts", () => {
    for (const pad of ["", "x"]) {
      const { message } = toErrorRecord(new Error(pad + "😀".repeat(3000)));
      assert.ok(message.isWellFormed());
    }
  });

  test("keeps at most 50 parts of a wide group and says how many are missing", () => {
    const errors = Array.from({ length: 1000 }, (_, i) => new Error(`e${i}`));
    const record = toErrorRecord(new AggregateError(errors, "wide", { cause: new Error("why") }));
    assert.equal(record.parts?.length, 51);
    assert.equal(record.parts?.[49]?.message, "why");
    assert.equal(record.parts?.at(-1)?.message, "951 more errors were left out");
  });

  test("keeps at most 50 parts in all of a tree of groups, and the upper ones first", () => {
    const leaves = () => Array.from({ length: 10 }, (_, i) => new Error(`leaf ${i}`));
    const groups = Array.from({ length: 10 }, (_, i) => new AggregateError(leaves(), `group ${i}`));
    const record = toErrorRecord(new AggregateError(groups, "tree"));
    assert.deepEqual(
      record.parts?.map(({ message }) => message),
      groups.map(({ message }) => message),
    );
    assert.equal(record.parts?.[9]?.parts?.[0]?.message, "10 more errors were left out");
    const notes = 6;
    assert.equal(count(record), 1 + 50 + notes);
  });

  test("follows causes five levels down and notes the cut", () => {
    let error = new Error("root");
    for (let i = 0; i < 20; i++) error = new Error(`level ${i}`, { cause: error });
    const record = toErrorRecord(error);
    assert.equal(depth(record), 6);
    assert.match(JSON.stringify(record), /1 more error was left out/);
  });

  const thrown: readonly [string, unknown, RegExp][] = [
    ["undefined", undefined, /^undefined was thrown, not an Error$/],
    ["null", null, /^null was thrown/],
    ["a string", "boom", /^string 'boom' was thrown/],
    ["a number", 7, /^number 7 was thrown/],
    ["a function", () => 1, /^a function was thrown/],
    ["an object", { status: 500 }, /^object \{ ?status: 500,? ?\} was thrown/],
    ["a symbol", Symbol("s"), /^symbol Symbol\(s\) was thrown/],
  ];
  for (const [name, value, expected] of thrown) {
    test(`describes ${name} that was thrown instead of an error`, () => {
      const record = toErrorRecord(value);
      assert.equal(record.name, "NonError");
      assert.match(record.message.replaceAll('"', "'").replaceAll("\n", ""), expected);
    });
  }

  test("takes an object with a message for an error", () => {
    assert.deepEqual(toErrorRecord({ name: "Odd", message: "said" }), { name: "Odd", message: "said" });
  });

  test("shows the code of an error that has no message", () => {
    assert.equal(toErrorRecord(Object.assign(new Error(""), { code: "ECONNREFUSED" })).message, "ECONNREFUSED");
  });

  test("survives getters and proxies that throw", () => {
    const hostile = () => {
      throw new Error("no");
    };
    const proxy = new Proxy({}, { get: hostile, getPrototypeOf: hostile, has: hostile, ownKeys: hostile });
    assert.equal(toErrorRecord(proxy).name, "NonError");
    const error = Object.defineProperty(new Error("x"), "message", { get: hostile });
    assert.equal(toErrorRecord(error).message, "an error without a message");
  });

  test("gives what the schema of the record takes, through JSON", () => {
    const record = toErrorRecord(new AggregateError([1, new Error("x", { cause: "y" })], "mixed"));
    assert.deepEqual(v.parse(ErrorRecordSchema, JSON.parse(JSON.stringify(record))), record);
  });
});

describe("groupMessage", () => {
  test("is the message itself for a plain error", () => {
    assert.equal(groupMessage(new Error("plain")), "plain");
  });

  test("joins the messages from the outside in with ` -- `", () => {
    const group = new AggregateError(
      [new AggregateError([new Error("disk full")], "step failed"), new Error("late")],
      "task failed",
      { cause: new Error("root") },
    );
    assert.equal(groupMessage(group), "task failed -- step failed -- disk full -- late -- root");
  });

  test("says a message once that an error repeats from its cause", () => {
    assert.equal(groupMessage(new Error("gone", { cause: new Error("gone") })), "gone");
  });

  test("is bounded", () => {
    const errors = Array.from({ length: 500 }, () => new Error("m".repeat(500)));
    assert.ok(groupMessage(new AggregateError(errors, "many")).length <= MAX_ERROR_MESSAGE);
  });
});
