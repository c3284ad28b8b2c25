import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, reportFailure } from "../../../src/cli/output/report-failure.ts";
import { CommandFailure } from "../../../src/cli/process/exit.ts";
import { abortable, type Nursery, openRoot, withNursery } from "../../../src/concurrency/index.ts";
import { ConfigError } from "../../../src/config/config-error.ts";

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

test(
  "each error of a group is told with its path, without the program's own name, a mistake of the user " + "without any",
  async () => {
    const told: (readonly [string, readonly string[]])[] = [];
    const code = reportFailure(await failedProgram(), (line, path) => told.push([line, path]));
    assert.equal(code, 1);
    assert.deepEqual(told, [
      ["executor > promote: TypeError: no such thing", ["executor", "promote"]],
      ["  because: RangeError: too far", ["executor", "promote"]],
      ["the setting is wrong", ["executor"]],
    ]);
  },
);

test("of very many errors the first are told, and how many more there are", () => {
  const told: string[] = [];
  reportFailure(new AggregateError(Array.from({ length: 25 }, (_, i) => new Error(`error ${i}`))), (line) =>
    told.push(line),
  );
  assert.deepEqual([told.length, told[0], told[20]], [21, "error 0", "and 5 more errors"]);
});

test("what Redis refuses is told with the command, the keys and what to do", () => {
  const refusal = (message: string, name: string, args: unknown[]) =>
    Object.assign(new Error(message), { name: "ReplyError", command: { name, args } });
  assert.deepEqual(describe(refusal("WRONGTYPE wrong kind", "xgroup", ["CREATE", "te.0.common", "group", "0"])), [
    "Redis refused XGROUP on te.0.common: WRONGTYPE wrong kind",
    "  another program seems to use this db too: see what is there (redis-cli TYPE te.0.common), then rename or " +
      "delete it, or take another db",
  ]);
  assert.deepEqual(describe(refusal("ERR odd", "evalsha", ["abc", 1, "taskexe:scheduled:common", "secret"])), [
    "Redis refused a script on taskexe:scheduled:common: ERR odd",
  ]);
});

test("a refused transaction is told by what was refused in it, or by where to look where that is not known", () => {
  const refusal = (message: string, name: string, args: unknown[], previousErrors?: Error[]) =>
    Object.assign(new Error(message), { name: "ReplyError", command: { name, args }, previousErrors });
  const cause = refusal("ERR not allowed", "zadd", ["task_executor_a", 1, "{}"]);
  const aborted = "EXECABORT Transaction discarded because of previous errors.";
  assert.deepEqual(describe(refusal(aborted, "exec", [], [cause])), [
    "Redis refused ZADD on task_executor_a: ERR not allowed",
  ]);
  assert.deepEqual(describe(refusal(aborted, "exec", [])), [
    `Redis refused EXEC: ${aborted}`,
    "  a command of the transaction was refused before; redis-cli ACL LOG, or the server's own log, tells which",
  ]);
});

/** What a program fails with in which a part of a part failed, and then its body. */
async function failedProgram(): Promise<unknown> {
  const failing = async (executor: Nursery) => {
    executor.startSoon(
      () => {
        throw new TypeError("no such thing", { cause: new RangeError("too far") });
      },
      { name: "promote" },
    );
    await abortable(new Promise(() => {}), executor.scope.signal).catch(() => {});
    throw new ConfigError(["the setting is wrong"]);
  };
  const program = (nursery: Nursery) => withNursery(nursery.scope, failing, { name: "executor" });
  return withNursery(openRoot(), program, { name: "taskexe" }).catch((error: unknown) => error);
}
