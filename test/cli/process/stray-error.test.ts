/** What a handler lets go of: the log has its stack and the tasks one of which it came from, on every runtime. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { drained } from "../../stage/executor.ts";
import { builtOnce, ON_BUN, ON_DENO, ON_NODE } from "../../stage/programs.ts";
import { SLOW, Stage } from "../../stage/stage.ts";
import { untilBy } from "../../stage/until.ts";

const STRAY = `import { defineTask, sleep } from "taskexe";
async function lookUp(): Promise<never> {
  throw new RangeError("floats away");
}
export const stray = defineTask({ type: "stray", run() { void lookUp(); } });
export const late = defineTask({ type: "late", run() {
  setTimeout(() => { throw new RangeError("floats away"); }, 50);
} });
export const plain = defineTask({ type: "plain", run() { void Promise.reject("only a text"); } });
export const long = defineTask({ type: "long", run: ({ signal }) => sleep(60_000, signal) });
`;

describe("an error that a handler lets go of", () => {
  let stage: Stage;
  before(async () => {
    stage = Stage.make();
    await stage.write({ "tasks/stray.ts": STRAY });
  });
  after(() => stage.end());

  const theExecutable = builtOnce(() => join(stage.folder, "bin/taskexe"));

  /** Starts an executor with a task that runs, lets a stray error go, and gives the log of all. */
  async function logOf(name: string, program: readonly [string, ...string[]], type: string, format: string) {
    const broker = `sqlite:${join(stage.folder, `${name}.db`)}`;
    const args = ["--log", format, "--grace", "0s", "--isolation", "inline"];
    const executor = await stage.executor({ broker, program, tasks: join(stage.folder, "tasks"), args });
    await stage.run(["enqueue", "long", "--id", "running-then", "--broker", broker]);
    await untilBy(executor, "it runs", async () => (await executor.busySlots()) === 1);
    await stage.run(["enqueue", type, "--id", "it-was-me", "--broker", broker]);
    assert.equal((await executor.ended).code, 1, executor.output());
    return executor.output();
  }

  const PROGRAMS: Readonly<Record<string, () => Promise<[string, ...string[]]>>> = {
    "the executable": theExecutable,
    Bun: async () => ON_BUN,
    "Node.js": async () => ON_NODE,
    Deno: async () => ON_DENO,
  };

  for (const [name, programOf] of Object.entries(PROGRAMS)) {
    for (const type of ["stray", "late"]) {
      test(`is logged with its stack and the tasks that ran: ${type}, ${name}`, SLOW, async () => {
        const log = await logOf(`${name} ${type}`, await programOf(), type, "pretty");
        assert.match(log, /FTL an error outside of every task: RangeError: floats away; running: .*long running-then/);
        assert.match(log, new RegExp(`an error outside of every task: .*\\b${type} it-was-me`));
        assert.match(log, /FTL\s+at .*tasks\/stray\.ts:\d+:\d+/);
      });
    }
  }

  for (const [name, programOf] of Object.entries(PROGRAMS)) {
    test(`ends its runner alone, and the log has the same: ${name}`, SLOW, async () => {
      const program = await programOf();
      const broker = `sqlite:${join(stage.folder, `runner ${name}.db`)}`;
      const tasks = join(stage.folder, "tasks");
      const executor = await stage.executor({ broker, program, tasks, grace: "0s", args: ["--runners", "1"] });
      await stage.run(["enqueue", "long", "--id", "running-then", "--broker", broker]);
      await untilBy(executor, "it runs", async () => (await executor.status()).runners?.processes[0]?.tasks === 1);
      await stage.run(["enqueue", "late", "--id", "it-was-me", "--broker", broker]);
      await executor.says(/runner \d+: taskexe: an error outside of every task: RangeError: floats away/);
      await executor.says(/runner \d+: +at .*tasks\/stray\.ts:\d+:\d+/);
      const [last] = await executor.says(/runner \d+: .*running: .*ended last: .*/);
      assert.match(last, /long running-then.*late it-was-me/);
      const tells = await stage.run(["enqueue", "echo", '"goes on"', "--wait", "--broker", broker]);
      assert.equal(tells.code, 0, tells.stderr);
      assert.equal(await drained(executor), 0);
    });
  }

  test("is one record of the JSON log", SLOW, async () => {
    const log = await logOf("json", await theExecutable(), "stray", "json");
    const records = log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const fatal = records.filter(({ level }) => level === "fatal");
    assert.equal(fatal.length, 1, log);
    assert.match(fatal[0].stack, /RangeError: floats away\n\s+at .*stray\.ts/);
    assert.match(
      `${fatal[0].running}; ${fatal[0].ended}`,
      /long running-then.*stray it-was-me|stray it-was-me.*long running-then/,
    );
  });

  test("that is no error has no stack, and the tasks are told all the same", SLOW, async () => {
    const log = await logOf("plain", await theExecutable(), "plain", "pretty");
    assert.match(log, /an error outside of every task: only a text; running: .*long running-then/);
    assert.match(log, /plain it-was-me/);
  });
});
