/** How a runner ends when something is wrong: with a reason on standard error, and an exit code that is no success. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ON_BUN, ON_DENO, ON_NODE, type Program } from "../stage/programs.ts";
import { RunnerProcess } from "../stage/runner.ts";
import { SLOW, Stage } from "../stage/stage.ts";

async function withRunner(
  files: Readonly<Record<string, string>>,
  use: (runner: RunnerProcess) => Promise<void>,
  program: Program = ON_BUN,
): Promise<void> {
  await Stage.with(async (stage) => {
    await stage.write(Object.fromEntries(Object.entries(files).map(([name, text]) => [`tasks/${name}`, text])));
    await use(RunnerProcess.start(stage, [stage.path("tasks")], program));
  });
}

const task = (type: string, run: string) =>
  `import { defineTask } from "taskexe"; export default defineTask({ type: "${type}", run: ${run} });`;

for (const [name, program] of Object.entries({ Bun: ON_BUN, "Node.js": ON_NODE, Deno: ON_DENO })) {
  test(`on ${name}: started by hand it refuses, and says what to call`, SLOW, async () => {
    await Stage.with(async (stage) => {
      const { code, stderr } = await stage.run(["runner", "tasks"], { program });
      assert.equal(code, 2);
      assert.match(stderr, /^taskexe: "taskexe runner" is started by an executor alone: .*say: taskexe run FILE/);
    });
  });

  test(`on ${name}: a stray rejection ends it, with the reason and what ran`, SLOW, async () => {
    const stray = task("stray", '() => { setTimeout(() => Promise.reject(new Error("nobody caught it")), 1); }');
    const files = { "stray.ts": stray, "wait.ts": task("wait", "() => new Promise(() => {})") };
    await withRunner(
      files,
      async (runner) => {
        runner.run({ type: "wait", id: "innocent" });
        runner.run({ type: "stray", id: "guilty" });
        assert.deepEqual(await runner.exit, { code: 1, signal: null });
        assert.match(runner.stderr, /an error outside of every task: Error: nobody caught it/);
        assert.match(runner.stderr, /running: wait innocent; ended last: stray guilty/);
      },
      program,
    );
  });
}

test("a stray exception ends it, too", SLOW, async () => {
  const files = { "a.ts": task("a", '() => { setTimeout(() => { throw new Error("thrown") }, 1); }') };
  await withRunner(files, async (runner) => {
    runner.run({ type: "a" });
    assert.deepEqual(await runner.exit, { code: 1, signal: null });
    assert.match(runner.stderr, /an error outside of every task: Error: thrown/);
  });
});

test("a handler that takes its listeners away does it no worse than a death", SLOW, async () => {
  const run =
    '() => { process.removeAllListeners(); Promise.reject(new Error("unseen")); return new Promise(() => {}) }';
  await withRunner({ "a.ts": task("a", run), "b.ts": task("b", "() => 1") }, async (runner) => {
    runner.run({ type: "a" });
    const next = runner.ending(runner.run({ type: "b" })).then(({ kind }) => kind);
    const how = await Promise.race([runner.exit.then(({ code }) => code), next]);
    assert.ok(how === "done" || how === 1, `${how}`);
    await next.catch(() => {});
  });
});

const MUCH_LATER_IN_THIS_TURN = "async () => { for (let n = 0; n < 100; n++) await null; process.exit(7); }";

test("process.exit ends it with that code, and what was done before is told", SLOW, async () => {
  const files = { "a.ts": task("a", "() => 1"), "b.ts": task("b", MUCH_LATER_IN_THIS_TURN) };
  await withRunner(files, async (runner) => {
    await runner.hello();
    const run = (number: number, type: string) => {
      const about = { id: type, type, queue: "common", priority: 0, queued_at: null };
      return `${JSON.stringify({ kind: "run", run: number, task: about, attempt: 1, crashes: 0, payload: null })}\n`;
    };
    runner.send(run(1, "a") + run(2, "b"));
    assert.deepEqual(await runner.exit, { code: 7, signal: null });
    assert.deepEqual(await runner.ending(1), { kind: "done", run: 1, result: 1 });
  });
});

test("handlers that cannot be loaded end it with 2 and every problem", SLOW, async () => {
  const files = { "a.ts": "export const x = 1;", "b.ts": 'import "./nowhere.ts";' };
  await withRunner(files, async (runner) => {
    assert.deepEqual(await runner.exit, { code: 2, signal: null });
    assert.match(runner.stderr, /the handlers cannot be loaded, 2 problems/);
  });
});

test("a file that ends the process while it is imported is named", SLOW, async () => {
  await withRunner({ "a.ts": "process.exit(0)" }, async (runner) => {
    assert.deepEqual(await runner.exit, { code: 2, signal: null });
    assert.match(runner.stderr, /process.exit\(0\) was called while .*a\.ts was imported/);
  });
});

test("an executor that does not keep to the protocol is told so, and left with the tenth fault", SLOW, async () => {
  await withRunner({ "a.ts": task("a", "() => 1") }, async (runner) => {
    await runner.hello();
    runner.send("no json\n");
    assert.equal((await runner.ending(runner.run({ type: "a" }))).kind, "done");
    runner.send("no json\n".repeat(9));
    assert.deepEqual(await runner.exit, { code: 1, signal: null });
    assert.match(runner.stderr, /does not keep to the protocol: a line is no JSON/);
  });
});
