/** `{name}` in a command is the payload's field as one argument; what a program could take for an option is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Arguments, ArgumentTemplates } from "../../../src/handlers/exec/arguments.ts";

function filled(args: readonly string[], payload: unknown): Arguments {
  return new ArgumentTemplates(args).fill(payload);
}

test("a field is one argument, or a part of one, whatever is in it", () => {
  const payload = { input: "a b; rm -rf / $(x) *", n: 1.5, "other-name": "ü", empty: "" };
  assert.deepEqual(filled(["{input}", "out.png", "--n={n}", "{other-name}{n}.txt", "{empty}"], payload), {
    args: ["a b; rm -rf / $(x) *", "out.png", "--n=1.5", "ü1.5.txt", ""],
  });
});

test("what is no name in braces stays as it stands, and doubled braces are one", () => {
  const args = ["{}", "{ a}", '{"a":1}', "$" + "{HOME}x", "{{input}}", "{0}", "{a:b}"];
  assert.deepEqual(filled(args, { HOME: "h" }), {
    args: ["{}", "{ a}", '{"a":1}', "$hx", "{input}", "{0}", "{a:b}"],
  });
  assert.equal(new ArgumentTemplates(["{{a}}", "b"]).haveFields, false);
  assert.equal(new ArgumentTemplates(["b", "x{a}"]).haveFields, true);
});

test("a field that is not there, or neither text nor a number, is refused", () => {
  const refused: readonly (readonly [payload: unknown, why: RegExp])[] = [
    [{}, /^\{input\} in the command: the payload has no field "input"$/],
    [null, /has no field/],
    ["text", /has no field/],
    [["input"], /has no field/],
    [Object.create({ input: "inherited" }), /has no field/],
    [{ input: null }, /expected text or a number, got null/],
    [{ input: ["a"] }, /got a list/],
    [{ input: {} }, /got an object/],
    [{ input: true }, /got a boolean/],
    [{ input: 2 ** 60 }, /too large to be exact; give it as text/],
    [{ input: "a\0b" }, /a NUL/],
    [{ input: "x".repeat(128 * 1024) }, /131073 bytes long, where 131072 can be; read it from standard input/],
  ];
  for (const [payload, why] of refused) {
    const read = filled(["{input}"], payload);
    assert.match("refused" in read ? read.refused : "", why);
  }
});

test("a value that begins with - is refused, but behind -- or behind text in the same argument", () => {
  const payload = { v: "-rf", n: -1, empty: "" };
  for (const args of [["{v}"], ["{n}"], ["{empty}{v}"], ["x", "{v}.png", "--", "y"]]) {
    const read = filled(args, payload);
    assert.match("refused" in read ? read.refused : "", /begins with "-", and would be an option/);
  }
  assert.deepEqual(filled(["--", "{v}", "{n}"], payload), { args: ["--", "-rf", "-1"] });
  assert.deepEqual(filled(["--x={v}", "./{v}", "-n{n}"], payload), { args: ["--x=-rf", "./-rf", "-n-1"] });
  // A value cannot be the one that ends the options.
  const read = filled(["{dashes}", "{v}"], { dashes: "--", v: "-rf" });
  assert.ok("refused" in read);
});
