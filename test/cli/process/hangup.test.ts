/** SIGHUP, on every runtime: it ends no executor, a command ends quietly, and under nohup neither takes notice. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { builtOnce, ON_BUN, ON_DENO, ON_NODE } from "../../stage/programs.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { recordOnce, said, untilBy } from "../../stage/until.ts";

/** Runs until its gate is there. */
const GATED = `import { existsSync } from "node:fs";
import { defineTask, sleep } from "taskexe";
export default defineTask({ type: "gated", run: async ({ payload, signal }) => {
  while (!existsSync(payload as string)) await sleep(10, signal);
} });
`;

describe("SIGHUP", () => {
  let stage: Stage;
  before(async () => {
    stage = Stage.make();
    await stage.write({ "tasks/gated.ts": GATED });
  });
  after(() => stage.end());

  const theExecutable = builtOnce(() => join(stage.folder, "bin/taskexe"));

  const PROGRAMS: Readonly<Record<string, () => Promise<[string, ...string[]]>>> = {
    "the executable": theExecutable,
    Bun: async () => ON_BUN,
    "Node.js": async () => ON_NODE,
    Deno: async () => ON_DENO,
  };

  for (const [name, programOf] of Object.entries(PROGRAMS)) {
    test(`ends no executor, however often it comes, and one that drains goes on with that: ${name}`, SLOW, async () => {
      const program = await programOf();
      const broker = `sqlite:${join(stage.folder, `${name}.db`)}`;
      const executor = await stage.executor({ broker, program, tasks: join(stage.folder, "tasks") });
      const client = await stage.client(broker);
      const gate = join(stage.folder, `${name}.gate`);
      const given = ["enqueue", "gated", JSON.stringify(gate), "--id", `gated-${name.replace(/\W/g, "")}`];
      const { stdout } = await stage.run([...given, "--broker", broker]);
      await untilBy(executor, "it runs", async () => (await executor.busySlots()) === 1);
      executor.kill("SIGHUP");
      await said(executor, /SIGHUP: settings and handlers are loaded anew/);
      for (const signal of ["SIGHUP", "SIGTERM", "SIGHUP"] as const) executor.kill(signal);
      await said(executor, /Draining: SIGTERM/);
      // Answered only once the signals are through; the task runs on.
      assert.equal((await executor.get("/status")).code, 200);
      assert.equal(executor.hasEnded, false);
      await stage.write({ [`${name}.gate`]: "" });
      assert.deepEqual(await executor.exit, { code: 0, signal: null }, executor.output());
      await recordOnce("done", executor, client, stdout.trim());
    });
  }

  test("ends a command that watches, with 129 and without a word", SLOW, async () => {
    const [program] = await theExecutable();
    const broker = `sqlite:${join(stage.folder, "watched.db")}`;
    await stage.run(["enqueue", "nobody-runs-it", "--id", "w", "--broker", broker], { program: [program] });
    for (const command of [
      ["watch", "w"],
      ["watch", "w", "--json"],
    ]) {
      const child = spawn(program, [...command, "--broker", broker], { env: {}, cwd: stage.folder });
      let stderr = "";
      child.stderr.on("data", (text) => {
        stderr += text;
      });
      await once(child.stdout, "data");
      child.kill("SIGHUP");
      const [code, signal] = await once(child, "close");
      assert.deepEqual([code, signal, stderr], [129, null, ""], command.join(" "));
    }
  });

  test("stays ignored where it was ignored at the start, as by nohup", SLOW, async () => {
    const [program] = await theExecutable();
    const broker = `sqlite:${join(stage.folder, "nohup.db")}`;
    const ignoring: [string, ...string[]] = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", program];
    const executor = await stage.executor({ broker, program: ignoring });
    executor.kill("SIGHUP");
    const { stdout } = await stage.run(["enqueue", "echo", "1", "--wait", "--broker", broker], { program: [program] });
    assert.equal(stdout, "1\n");
    assert.doesNotMatch(executor.output(), /SIGHUP|Draining/);
    await executor.end();
  });
});
