/** A runner is not told its executor's broker: connect() without an address never means another queue there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RunnerProcess } from "../stage/runner.ts";
import { SLOW, Stage } from "../stage/stage.ts";

const HANDLERS = `
import { connect, defineTask } from "taskexe";
const told = async (url) => {
  try {
    const client = await connect(url);
    await client.close();
    return "connected";
  } catch (error) {
    return error.name + ": " + error.message;
  }
};
export default defineTask({ type: "connects", run: ({ payload }) => told(payload ?? undefined) });
`;

test("connect() without an address is refused, and says what to use; with one it connects", SLOW, async () => {
  await Stage.with(async (stage) => {
    await stage.write({ "tasks/all.ts": HANDLERS });
    const runner = RunnerProcess.start(stage, [stage.path("tasks")]);
    await runner.hello();
    const without = await runner.ending(runner.run({ type: "connects" }));
    assert.match(String(without.kind === "done" && without.result), /^ConfigError: connect\(\) needs an address/);
    const url = `sqlite:${stage.path("queue.db")}`;
    const named = await runner.ending(runner.run({ type: "connects", payload: url }));
    assert.equal(named.kind === "done" && named.result, "connected");
  });
});
