import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Cancelled, openRoot } from "../../src/concurrency/index.ts";
import { builtinRegistry, echoTask, failTask, noopTask, sleepTask } from "../../src/handlers/builtin.ts";
import { defineTask } from "../../src/handlers/define-task.ts";
import { groupMessage } from "../../src/handlers/error-record.ts";
import { DuplicateHandlerError } from "../../src/handlers/registry.ts";
import { runTask } from "./context.ts";

describe("the built-in handlers", () => {
  test("noop takes anything and gives nothing", async () => {
    assert.equal(await runTask(noopTask, { any: 1 }), undefined);
  });

  test("echo gives its payload back", async () => {
    const payload = { deep: [1, null, { text: "x" }] };
    assert.deepEqual(await runTask(echoTask, payload), payload);
  });

  test("sleep ends after its time", async () => {
    const before = performance.now();
    await runTask(sleepTask, { ms: 20 });
    assert.ok(performance.now() - before >= 19);
  });

  test("sleep ends at once when it is cancelled", async () => {
    const scope = openRoot();
    const sleeping = runTask(sleepTask, { ms: 3_600_000 }, { scope });
    scope.cancel("enough");
    await assert.rejects(sleeping, (error) => error instanceof Cancelled && error.reason === "enough");
  });

  for (const payload of [null, {}, { ms: -1 }, { ms: "5" }, { ms: Number.POSITIVE_INFINITY }]) {
    test(`sleep refuses the payload ${JSON.stringify(payload)}`, async () => {
      await assert.rejects(runTask(sleepTask, payload), { name: "PayloadError" });
    });
  }

  test("fail throws its message, or one of its own", async () => {
    for (const [payload, message] of [
      [{ message: "as told" }, /as told/],
      [{}, /failed on request/],
      [null, /failed on request/],
    ] as const) {
      await assert.rejects(runTask(failTask, payload), (error) => message.test(groupMessage(error)));
    }
  });
});

describe("HandlerRegistry", () => {
  const mine = defineTask({ type: "echo", run: () => "mine" });

  test("lets a user's handler take the place of a built-in one, whichever comes first", () => {
    const registry = builtinRegistry();
    registry.add(mine, "mine.ts");
    registry.addBuiltin(echoTask);
    assert.equal(registry.definition("echo"), mine);
    assert.equal(registry.sourceOf("echo"), "mine.ts");
  });

  test("refuses a second handler of a type and names both files", () => {
    const registry = builtinRegistry();
    registry.add(mine, "mine.ts");
    registry.add(mine, "mine.ts");
    const other = defineTask({ type: "echo", run: () => "other" });
    assert.throws(
      () => registry.add(other, "other.ts"),
      (error) => {
        assert.ok(error instanceof DuplicateHandlerError);
        assert.match(error.message, /"echo".*mine\.ts.*other\.ts/);
        return true;
      },
    );
  });
});
