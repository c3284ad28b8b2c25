/** What the environment hands over stays with the process: secrets are not seen in it, and what changes Bun is told. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ROOT } from "../stage/command.ts";
import { drained } from "../stage/executor.ts";
import { requestOf } from "../stage/outcomes.ts";
import { ON_DENO, ON_NODE } from "../stage/programs.ts";
import { SLOW, Stage } from "../stage/stage.ts";
import { recordOnce } from "../stage/until.ts";

const TOKEN = "0123456789abcdef-in-no-environment";

const PROGRAMS: Readonly<Record<string, [string, ...string[]]>> = {
  "the executable": [join(ROOT, "dist/taskexe")],
  Node: ON_NODE,
  Deno: ON_DENO,
};

const TASKS = {
  "tasks/environment.mjs": `import { spawnSync } from "node:child_process";
    import { readFileSync } from "node:fs";
    import { defineTask } from "taskexe";
    export default defineTask({ type: "environment", run: () => [JSON.stringify(process.env),
      spawnSync("env").stdout.toString(), readFileSync("/proc/self/environ", "latin1")].join("\\n") });`,
};

for (const [name, program] of Object.entries(PROGRAMS)) {
  describe(`the environment of ${name}`, () => {
    test("the token and the broker's password are in no environment, and both work", SLOW, async () => {
      await Stage.with(async (stage) => {
        const redis = await stage.redis();
        await redis.cli(["ACL", "SETUSER", "worker", "on", ">pa55word", "~*", "&*", "+@all"]);
        const address = redis.url.replace("redis://", "redis://worker:pa55word@");
        const tasks = await stage.write(TASKS);
        const env = { TASKEXE_TOKEN: TOKEN, TASKEXE_BROKER: address, LAST: "seen" };
        const executor = await stage.executor({ program, tasks, env });
        const environ = readFileSync(`/proc/${executor.pid}/environ`, "latin1");
        assert.match(environ, /LAST=seen/);
        assert.doesNotMatch(environ, /pa55word|in-no-environment/);
        assert.equal((await executor.get("/api/v1/tasks")).code, 401);

        const broker = await stage.client(redis.url);
        await broker.enqueue([requestOf("one", "environment", null)]);
        const { result } = await recordOnce("done", executor, broker, "one");
        assert.match(String(result), /seen/);
        assert.doesNotMatch(String(result), /pa55word|in-no-environment/);
        assert.equal(await drained(executor), 0);
        assert.doesNotMatch(executor.output(), /pa55word|in-no-environment/);
      });
    });
  });
}

test("what changes Bun itself is told at the start", SLOW, async () => {
  await Stage.with(async (stage) => {
    const program: [string] = [join(ROOT, "dist/taskexe")];
    const broker = `sqlite:${join(stage.folder, "queue.db")}`;
    const env = { BUN_OPTIONS: "--smol", BUN_JSC_useJIT: "1", BUN_BE_BUN: "", BUN_INSPECT_NOTIFY: "" };
    const executor = await stage.executor({ broker, program, env });
    assert.match(executor.output(), /WRN environment BUN_OPTIONS changes what taskexe itself runs; unset it/);
    assert.match(executor.output(), /WRN environment BUN_JSC_useJIT changes/);
    assert.doesNotMatch(executor.output(), /BUN_BE_BUN|BUN_INSPECT/);
    assert.equal(await drained(executor), 0);
  });
});
