import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandFailure } from "../../src/cli/exit.ts";
import { describe } from "../../src/cli/report-failure.ts";
import { ConfigError } from "../../src/config/config-error.ts";

test("a mistake of the user is told as it is, line by line", () => {
  assert.deepEqual(describe(new ConfigError(["one", "two"])), ["one", "two"]);
  assert.deepEqual(describe(new CommandFailure("first\nsecond")), ["first", "second"]);
  assert.deepEqual(describe(new CommandFailure("", 130)), []);
});

test("an error is told with its causes, each once", () => {
  const cause = new RangeError("too far");
  assert.deepEqual(describe(new Error("cannot go", { cause })), ["cannot go", "  because: RangeError: too far"]);
  assert.deepEqual(describe(new Error("cannot go: too far", { cause })), ["cannot go: too far"]);
});

test("what is no error is told too", () => {
  assert.deepEqual(describe("text"), ["something that is no error was thrown: text"]);
});
